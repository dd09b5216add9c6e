import { EventEmitter } from 'node:events'
import type { Server, Socket } from 'socket.io'
import { expect, it, vi } from 'vitest'
import { Resync, type ResyncOptions } from '../src/resync.ts'

/* What sockets are told after their gateway was cut off from Redis. */

function socketOf(issued = 0, confirmed = true) {
  return {
    connected: true,
    handshake: { issued },
    data: { session: { user: { id: 'ahmed' }, confirmed } },
    emit: vi.fn(),
  }
}

function resyncOf(
  sockets: readonly ReturnType<typeof socketOf>[],
  conversationsOf: (userId: string) => Promise<never[]> = async () => [],
) {
  const io = Object.assign(new EventEmitter(), { sockets: { sockets: new Map(sockets.entries()) } })
  const rooms = {
    enter: async (_socket: Socket, _userId: string, memberships: () => Promise<unknown>) => memberships(),
    confirmed: vi.fn(async () => true).mockResolvedValueOnce(false),
  }
  const onError = vi.fn()
  const membership = { conversationsOf }
  const people = { see: vi.fn() }
  const options = { io: io as unknown as Server, rooms, membership, people, onError } as ResyncOptions
  return { io, onError, resync: new Resync(options) }
}

it('tells a socket to sync once its rooms are correct, even if the database is away at first', async () => {
  const socket = socketOf()
  const conversationsOf = vi.fn(async () => []).mockRejectedValueOnce(new Error('away'))
  const { resync, onError } = resyncOf([socket], conversationsOf)
  resync.start()
  // Cut off once more: it starts over.
  resync.start()
  await expect.poll(() => socket.emit.mock.calls).toEqual([['resync', {}]])
  expect(onError).toHaveBeenCalledOnce()
  const [, right = Number.POSITIVE_INFINITY] = conversationsOf.mock.invocationCallOrder
  expect(socket.emit.mock.invocationCallOrder[0]).toBeGreaterThan(right)
  resync.stop()
})

it('does not keep trying for a disconnected socket', async () => {
  // The remaining socket comes after it: once that is retried, the other would have been, too.
  const [gone, staying] = [socketOf(), socketOf()]
  gone.data.session.user.id = 'gone'
  const conversationsOf = vi.fn((userId: string) => {
    if (userId === 'gone') gone.connected = false
    return Promise.reject(new Error('away'))
  })
  const asked = (userId: string) => conversationsOf.mock.calls.filter(([id]) => id === userId).length
  const { resync } = resyncOf([gone, staying], conversationsOf)
  resync.start()
  await expect.poll(() => asked('ahmed')).toBeGreaterThanOrEqual(2)
  expect(asked('gone')).toBe(1)
  resync.stop()
})

it('keeps trying for nobody once the gateway stops', async () => {
  const conversationsOf = vi.fn((userId: string) => {
    if (userId === 'ahmed') resync.stop()
    return Promise.reject(new Error('away'))
  })
  const asked = (userId: string) => conversationsOf.mock.calls.filter(([id]) => id === userId).length
  const [socket, other] = [socketOf(), socketOf()]
  other.data.session.user.id = 'other'
  const { resync } = resyncOf([socket], conversationsOf)
  // Another one that keeps going shows when this one would have acted.
  const { resync: clock } = resyncOf([other], conversationsOf)
  resync.start()
  await expect.poll(() => asked('ahmed')).toBe(1)
  clock.start()
  await expect.poll(() => asked('other')).toBeGreaterThanOrEqual(3)
  expect(asked('ahmed')).toBe(1)
  clock.stop()
})

it('tells sockets that were in their handshake when Redis came back, but none that connect later', async () => {
  const { io, resync } = resyncOf([])
  const [before, later] = [socketOf(Date.now()), socketOf(Date.now() + 60_000)]
  resync.start()
  for (const socket of [before, later]) io.emit('connection', socket)
  await expect.poll(() => before.emit.mock.calls).toEqual([['resync', {}]])
  expect(later.emit).not.toHaveBeenCalled()
  resync.stop()
})

it('tells sockets let in while Redis was silent, once it has confirmed their subscriptions', async () => {
  const { io, resync } = resyncOf([])
  const socket = socketOf(0, false)
  io.emit('connection', socket)
  await expect.poll(() => socket.emit.mock.calls).toEqual([['resync', {}]])
  resync.stop()
})

it('tells every one of very many sockets exactly once', async () => {
  const sockets = Array.from({ length: 100 }, () => socketOf())
  const { resync } = resyncOf(sockets)
  resync.start()
  await expect.poll(() => sockets.map(({ emit }) => emit.mock.calls.length)).toEqual(sockets.map(() => 1))
  resync.stop()
})
