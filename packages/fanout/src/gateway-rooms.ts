import { createShardedAdapter } from '@socket.io/redis-adapter'
import type { Server, Socket } from 'socket.io'
import type { Bus, Handler } from './bus.ts'
import { preparePacket, socketsIn, writePacket } from './delivery.ts'
import { decodeFrame, type Frame, isFrame, type JoinRequest } from './frame.ts'
import { RoomOrder } from './order.ts'
import type { LocalRooms } from './publisher.ts'
import { CHANNEL_PREFIX, conversationIdOf, conversationRoom, roomOf, userRoom } from './rooms.ts'

/** How long a message waits for the one before it, in milliseconds; see {@link RoomOrder}. */
const ORDER_PATIENCE_MS = 500

/** A conversation to enter, and how many messages it has: a later one waits for those between. */
export interface Entered {
  conversationId: string
  lastSeq: number
}

export interface GatewayRoomsOptions {
  /** This process's epoch id. */
  origin: string
  /**
   * Sends what was stored in a conversation after the join and before its messages were sure to arrive. Called once the
   * subscription is in force; `deliver` puts a message in its place, or passes over one that has been delivered.
   */
  catchUp: (join: JoinRequest, deliver: (seq: number, packet: Buffer) => void) => Promise<void>
  onError: (error: unknown) => void
}

/**
 * The rooms of one gateway: Socket.IO's sharded adapter keeps who is in which, subscribes to a room's channel with its
 * first socket and unsubscribes with its last. Frames (see frame.ts) travel on the same channels, past the adapter.
 */
export class GatewayRooms implements LocalRooms {
  readonly #io: Server
  readonly #bus: Bus
  readonly #options: GatewayRoomsOptions
  readonly #orders = new Map<string, RoomOrder<Frame>>()
  /** The seq that comes first in rooms where none has come yet. */
  readonly #begins = new Map<string, number>()
  /** Conversations that a connecting socket's person was taken out of while it was on its way into them. */
  readonly #leftMeanwhile = new Map<string, Set<string>>()

  constructor(io: Server, bus: Bus, options: GatewayRoomsOptions) {
    this.#io = io
    this.#bus = bus
    this.#options = options
    io.adapter(createShardedAdapter(this.#redisFacade(), this.#redisFacade(), { channelPrefix: CHANNEL_PREFIX }))
    io.sockets.adapter.on('delete-room', (room: string) => {
      this.#orders.get(room)?.close()
      this.#orders.delete(room)
      this.#begins.delete(room)
    })
  }

  /**
   * Puts a socket that is about to connect into its person's room and conversations. Resolves once everything published
   * there reaches it, or after a second when Redis is away.
   * @param memberships asks for the person's conversations; called when a change of them can no longer go unnoticed
   */
  async enter(socket: Socket, userId: string, memberships: () => Promise<readonly Entered[]>): Promise<void> {
    const left = new Set<string>()
    this.#leftMeanwhile.set(socket.id, left)
    try {
      await socket.join(userRoom(userId))
      await this.#bus.barrier()
      const conversations = await memberships()
      const rooms: string[] = []
      for (const { conversationId, lastSeq } of conversations) {
        if (left.has(conversationId)) continue
        const room = conversationRoom(conversationId)
        rooms.push(room)
        if (!this.#io.sockets.adapter.rooms.has(room)) this.#begins.set(room, lastSeq + 1)
      }
      await socket.join(rooms)
      await this.#bus.barrier()
    } finally {
      this.#leftMeanwhile.delete(socket.id)
    }
  }

  /** Never throws: a message that cannot be delivered here has been stored and published all the same. */
  deliver(room: string, frame: Frame): void {
    try {
      if (frame.seq === 0) this.#write(room, frame)
      else if (this.#io.sockets.adapter.rooms.has(room)) this.#orderOf(room).accept(frame.seq, frame)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  close(): void {
    for (const order of this.#orders.values()) order.close()
    this.#orders.clear()
  }

  #orderOf(room: string, next?: number): RoomOrder<Frame> {
    let order = this.#orders.get(room)
    if (order === undefined) {
      order = new RoomOrder(ORDER_PATIENCE_MS, (frame) => this.#write(room, frame), this.#begins.get(room) ?? next)
      this.#orders.set(room, order)
      this.#begins.delete(room)
    }
    return order
  }

  #write(room: string, { control, packet }: Frame): void {
    for (const userId of control?.leaving ?? []) this.#take(userId, conversationIdOf(room))
    if (control?.leave !== undefined) this.#take(control.leave.userId, control.leave.conversationId)
    if (control?.join !== undefined) this.#put(control.join, packet)
    else this.#writeTo(socketsIn(this.#io, room), packet)
  }

  #writeTo(sockets: Iterable<Socket>, packet: Buffer): void {
    if (packet.length === 0) return
    let prepared: ReturnType<typeof preparePacket> | undefined
    for (const socket of sockets) {
      prepared ??= preparePacket(packet)
      writePacket(socket, prepared)
    }
  }

  /** Puts a person's sockets into a conversation, those too that are only connecting; then tells them. */
  #put(join: JoinRequest, packet: Buffer): void {
    const { userId, conversationId, lastSeq } = join
    const { adapter } = this.#io.sockets
    const personRoom = userRoom(userId)
    const room = conversationRoom(conversationId)
    const ids = [...(adapter.rooms.get(personRoom) ?? [])]
    if (ids.length === 0) return
    const already = adapter.rooms.has(room)
    for (const id of ids) {
      this.#leftMeanwhile.get(id)?.delete(conversationId)
      adapter.addAll(id, new Set([room]))
    }
    // What others here were given before this person came in has to be sent to them alone.
    const before = already ? (this.#orders.get(room)?.next ?? lastSeq + 1) : lastSeq + 1
    const order = this.#orderOf(room, lastSeq + 1)
    const theirs = () => [...socketsIn(this.#io, personRoom)].filter((socket) => socket.rooms.has(room))
    const deliver = (seq: number, missed: Buffer) => {
      if (seq < before) this.#writeTo(theirs(), missed)
      else if (adapter.rooms.has(room)) order.accept(seq, { origin: '', seq, control: null, packet: missed })
    }
    this.#bus
      .barrier()
      .then(() => {
        this.#writeTo(theirs(), packet)
        return this.#options.catchUp(join, deliver)
      })
      .catch(this.#options.onError)
  }

  /** Takes a person's sockets out of a conversation, those too that are only connecting. */
  #take(userId: string, conversationId: string): void {
    const { adapter } = this.#io.sockets
    const room = conversationRoom(conversationId)
    for (const id of adapter.rooms.get(userRoom(userId)) ?? []) {
      this.#leftMeanwhile.get(id)?.add(conversationId)
      adapter.del(id, room)
    }
  }

  /** What the sharded adapter takes for a client of the `redis` package: its calls come to our bus. */
  #redisFacade() {
    return {
      sSubscribe: (channel: string, handler: Handler) =>
        this.#bus.subscribe(channel, (payload, name) => {
          if (isFrame(payload)) this.#onFrame(name, payload)
          else handler(payload, name)
        }),
      sUnsubscribe: (channels: string | string[]) => {
        for (const channel of [channels].flat()) this.#bus.unsubscribe(channel)
      },
      sPublish: (channel: string, payload: string | Buffer) => this.#bus.publish(channel, payload),
    }
  }

  #onFrame(channel: string, payload: Buffer): void {
    const frame = decodeFrame(payload)
    if (frame === undefined) this.#options.onError(new Error(`not a frame, on ${channel}`))
    // Its own sockets had it before it was published.
    else if (frame.origin !== this.#options.origin) this.deliver(roomOf(channel), frame)
  }
}
