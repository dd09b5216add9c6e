import { createServer } from 'node:http'
import { Bus, encodeEvent, GatewayRooms, Publisher } from '@parley/fanout'
import type { Message, ServerEvents } from '@parley/protocol'
import { listenOnLoopback, next } from '@parley/testkit'
import { Server, type Socket as ServerSocket } from 'socket.io'
import { io as connect, type Socket } from 'socket.io-client'
import { expect } from 'vitest'

/** Patience that does not run out in a test: early messages wait for late ones, however late. */
export const ENDLESS = { patienceMs: 2 ** 31 - 1 }

export type Entered = { conversationId: string; lastSeq: number }

export const message = (conversationId: string, seq: number): Message =>
  ({ id: `message ${seq}`, conversationId, seq, content: `${seq}` }) as Message
export const stored = (conversationId: string, seq: number, leaving: string[] = []) => ({
  seq,
  packet: encodeEvent('newMessage', message(conversationId, seq)),
  leaving,
})
export const created = (id: string) => ({ id }) as ServerEvents['conversationCreated']
export const left = (conversationId: string) => ({ conversationId }) as ServerEvents['conversationUpdated']

/**
 * Creates the rooms of one gateway, with control over when the database answers, and another process that publishes.
 * @param redisUrl the Redis that both use
 * @param options.ownUrl the gateway's own URL for it
 * @param options.patienceMs how long a message waits for the one before it
 */
export async function oneGateway(redisUrl: string, options: { ownUrl?: string; patienceMs?: number } = {}) {
  const { ownUrl = redisUrl, ...order } = options
  const undo = new AsyncDisposableStack()
  const [own, other] = [new Bus(ownUrl, 'gateway'), new Bus(redisUrl, 'speaker')]
  for (const bus of [own, other]) undo.defer(() => bus.close())
  await Promise.all([own.ready(30_000), other.ready(30_000)])
  const http = createServer()
  const io = new Server(http)
  undo.defer(() => io.close())
  /** The content of the database. */
  const base = {
    stored: async (_conversationId: string, _from: number, _to: number) => [] as ReturnType<typeof stored>[],
    memberships: async (_userId: string): Promise<Entered[]> => [],
    outsiders: new Set<string>(),
  }
  const rooms = new GatewayRooms(io, own, {
    ...order,
    origin: crypto.randomUUID(),
    onError: (error) => expect.unreachable(String(error)),
    stored: (...range) => base.stored(...range),
    outsiders: async (_conversationId, userIds) => userIds.filter((userId) => base.outsiders.has(userId)),
  })
  io.use((socket, done) => {
    const { userId } = socket.handshake.auth
    rooms.enter(socket, userId, () => base.memberships(userId)).then(() => done(), done)
  })
  const url = `http://127.0.0.1:${await listenOnLoopback(http)}`
  const open = async (userId: string, ...memberships: Entered[]) => {
    if (memberships.length > 0) base.memberships = async (who) => (who === userId ? memberships : [])
    const socket = connect(url, { auth: { userId }, transports: ['websocket'], forceNew: true })
    undo.defer(() => void socket.disconnect())
    const heard: unknown[] = []
    socket.on('newMessage', ({ seq }: Message) => heard.push(seq))
    socket.on('conversationCreated', () => heard.push('created'))
    await new Promise<void>((resolve) => socket.once('connect', resolve))
    return { socket, heard, server: io.sockets.sockets.get(socket.id ?? '') as ServerSocket }
  }
  const speaker = new Publisher(other, 'speaker')
  /** Closes a socket, and waits until the rooms that only it was in are gone. */
  const close = async ({ socket, server }: { socket: Socket; server: ServerSocket }) => {
    const gone = new Promise((resolve) => server.once('disconnect', resolve))
    socket.disconnect()
    await gone
  }
  return { rooms, base, open, close, speaker, [Symbol.asyncDispose]: () => undo.disposeAsync() }
}

export const hears = (socket: Socket, wanted: number) => next(socket, 'newMessage', ({ seq }) => seq === wanted)
