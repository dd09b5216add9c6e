import { EventEmitter } from 'node:events'
import type { Server } from 'socket.io'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { serveConnections } from '../src/connection.ts'
import type { GatewayDeps } from '../src/deps.ts'
import { EventFlow } from '../src/flow.ts'
import { GatewayMeasures } from '../src/measures.ts'
import { TokenLife } from '../src/token-life.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

it('keeps nothing of a disconnected socket, even if its token is valid for long', () => {
  const [forget, disconnect] = [vi.fn(), vi.fn()]
  const identity = { userId: 'ahmed', issuedAt: null, expiresAt: new Date(Date.now() + 3_600_000) }
  const session = { user: { id: 'ahmed' }, identity, flow: new EventFlow(), tokenLife: new TokenLife(vi.fn()) }
  const socket = Object.assign(new EventEmitter(), {
    id: 'socket',
    handshake: { auth: {} },
    data: { session },
    conn: {},
  })
  const deps = {
    logger: { isLevelEnabled: () => false },
    measures: new GatewayMeasures(),
    presence: { connect: async () => ({ becameOnline: false }), disconnect },
    revocations: { require: async () => undefined },
    typing: { forget },
  } as unknown as GatewayDeps
  const io = new EventEmitter()
  serveConnections(io as unknown as Server, deps)
  io.emit('connection', socket)
  expect(vi.getTimerCount()).toBe(1)
  socket.emit('disconnect', 'transport close')
  expect(vi.getTimerCount()).toBe(0)
  expect(forget).toHaveBeenCalledWith(socket)
  expect(disconnect).toHaveBeenCalledWith('ahmed', 'socket')
  expect(deps.measures.disconnected.counts.get('transport close')).toBe(1)
})
