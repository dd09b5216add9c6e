import { userRoom } from '@parley/fanout'
import type { Server } from 'socket.io'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TokenGuard } from '../src/token-guard.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('ends sockets within a minute if a notice is lost, even if a check fails', async () => {
  const socketOf = (userId: string) => ({
    data: { session: { identity: { userId, issuedAt: new Date(1_000) } } },
    emit: vi.fn(),
    conn: { close: vi.fn() },
  })
  const [revoked, other] = [socketOf('ahmed'), socketOf('fatima')]
  const sockets = new Map(Object.entries({ revoked, other }))
  const rooms = new Map([
    [userRoom('ahmed'), new Set(['revoked'])],
    [userRoom('fatima'), new Set(['other'])],
  ])
  const io = { sockets: { sockets, adapter: { rooms } } } as unknown as Server
  const lookUp = vi.fn(async () => new Map([['ahmed', 2_000]])).mockRejectedValueOnce(new Error('away'))
  const onError = vi.fn()
  const guard = new TokenGuard({ io, revocations: { lookUp }, onError })
  await vi.advanceTimersByTimeAsync(60_000)
  expect([onError.mock.calls.length, revoked.conn.close.mock.calls.length]).toEqual([1, 0])
  await vi.advanceTimersByTimeAsync(60_000)
  expect(lookUp).toHaveBeenCalledWith(['ahmed', 'fatima'])
  expect(revoked.conn.close).toHaveBeenCalledOnce()
  expect(other.conn.close).not.toHaveBeenCalled()
  guard.stop()
  expect(vi.getTimerCount()).toBe(0)
})
