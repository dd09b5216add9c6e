import { createShardedAdapter } from '@socket.io/redis-adapter'
import type { Server, Socket } from 'socket.io'
import { writeArrivals } from './arrivals.ts'
import type { Bus, Handler } from './bus.ts'
import { socketsIn, writeToAll } from './delivery.ts'
import { decodeFrame, type Frame, isFrame, isFrameOf, type JoinRequest } from './frame.ts'
import { LatestChanges } from './latest-changes.ts'
import type { Packet } from './packet.ts'
import type { LocalRooms } from './publisher.ts'
import { RoomMessages, type RoomMessagesOptions } from './room-messages.ts'
import {
  CHANNEL_PREFIX,
  channelOf,
  conversationIdOf,
  conversationRoom,
  isConversation,
  PEOPLE_ROOM,
  roomOf,
  userRoom,
} from './rooms.ts'

/** A conversation to enter, and its last seq: a message past the next one waits for those in between. */
export interface Entered {
  conversationId: string
  lastSeq: number
}

export interface GatewayRoomsOptions extends Omit<RoomMessagesOptions, 'onLeaving'> {
  /** This process's epoch id. */
  origin: string
}

/** A socket that is entering its rooms. */
interface Entry {
  socketId: string
  /** Conversations that its user was added to or removed from meanwhile, and as of which seq. */
  heard: Map<string, { inside: boolean; seq: number }>
}

/**
 * The rooms of one gateway. Socket.IO's sharded adapter tracks which socket is in which room, subscribes to a room's channel
 * with its first socket and unsubscribes with its last. Frames (see frame.ts) use the same channels, bypassing the adapter.
 */
export class GatewayRooms implements LocalRooms {
  readonly #io: Server
  readonly #bus: Bus
  readonly #options: GatewayRoomsOptions
  readonly #messages: RoomMessages
  readonly #changes = new LatestChanges()
  /** As of which seq an entering user was found to be a member: a removal before that, reported late, is outdated. */
  readonly #found = new LatestChanges()
  readonly #entering = new Set<Entry>()
  #events = 0

  constructor(io: Server, bus: Bus, options: GatewayRoomsOptions) {
    this.#io = io
    this.#bus = bus
    this.#options = options
    io.adapter(createShardedAdapter(this.#redisFacade(), this.#redisFacade(), { channelPrefix: CHANNEL_PREFIX }))
    bus.subscribe(channelOf(PEOPLE_ROOM), (payload, channel) => this.#onFrame(channel, payload))
    const onLeaving: RoomMessagesOptions['onLeaving'] = (...leaving) => this.#removeAll(...leaving)
    this.#messages = new RoomMessages(io, { ...options, onLeaving })
  }

  /** Number of packets written to sockets, and of lookups of messages that did not arrive. */
  get delivered(): { messages: number; events: number; fetches: number } {
    return { messages: this.#messages.delivered, events: this.#events, fetches: this.#messages.fetches }
  }

  /**
   * Puts a socket, which may still be connecting, into its user's room and conversations, and takes it out of others.
   * Resolves once everything published there reaches it, or after a second or two if Redis is down.
   * @param memberships looks up the user's conversations; called once changes to them can no longer be missed
   * @returns whether Redis has confirmed the subscriptions
   */
  async enter(socket: Socket, userId: string, memberships: () => Promise<readonly Entered[]>): Promise<boolean> {
    const entry: Entry = { socketId: socket.id, heard: new Map() }
    this.#entering.add(entry)
    try {
      await socket.join(userRoom(userId))
      await this.#bus.barrier()
      this.#move(socket, userId, await memberships(), entry)
      return await this.#bus.barrier()
    } finally {
      this.#entering.delete(entry)
    }
  }

  /** Whether Redis confirms within a second the subscriptions of all rooms entered so far. */
  confirmed(): Promise<boolean> {
    return this.#bus.barrier()
  }

  /**
   * Moves a socket into these conversations and out of all others. A newer change that was received, and applied, meanwhile
   * takes precedence over the lookup.
   */
  #move(socket: Socket, userId: string, conversations: readonly Entered[], { heard }: Entry): void {
    const { adapter } = this.#io.sockets
    const inside = conversations.filter(({ conversationId, lastSeq }) => {
      const change = heard.get(conversationId)
      return change === undefined || change.seq <= lastSeq
    })
    const rooms = new Set(inside.map(({ conversationId }) => conversationRoom(conversationId)))
    for (const room of socket.rooms) {
      const stays = !isConversation(room) || rooms.has(room) || heard.get(conversationIdOf(room))?.inside
      if (!stays) adapter.del(socket.id, room)
    }
    // Does nothing if the socket is gone.
    void socket.join([...rooms])
    for (const { conversationId, lastSeq } of inside) {
      const room = conversationRoom(conversationId)
      this.#found.note(room, userId, lastSeq)
      this.#messages.begin(room, lastSeq)
    }
  }

  /** Delivers a frame to local sockets. Never throws: a message that fails here is stored and published all the same. */
  deliver(room: string, frame: Frame): void {
    try {
      if (frame.seq === 0) this.#apply(room, frame)
      else this.#messages.accept(room, frame)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  /**
   * Forgets all seqs: the database follows another history, whose messages would be taken for those that were here under the same
   * seqs. Sockets have to sync after that.
   */
  forget(): void {
    this.#messages.forget()
    this.#changes.clear()
    this.#found.clear()
  }

  close(): void {
    this.#messages.close()
  }

  #removeAll(room: string, seq: number, leaving: readonly string[]): void {
    for (const userId of leaving) this.#removeAsOf(userId, room, seq)
  }

  /** Applies a frame that is outside the order. */
  #apply(room: string, { control, packets }: Frame): void {
    if (control?.leave !== undefined) {
      const { userId, conversationId, seq } = control.leave
      const room = conversationRoom(conversationId)
      if (seq === undefined) this.#remove(userId, room, Number.POSITIVE_INFINITY)
      else this.#removeAsOf(userId, room, seq)
    }
    if (control?.join !== undefined) {
      this.#add(control.join, packets)
      return
    }
    if (control?.arrivals !== undefined) {
      this.#events += writeArrivals(this.#io, control.arrivals, packets)
      return
    }
    const sockets = control?.people === undefined ? socketsIn(this.#io, room) : this.#socketsOf(control.people)
    this.#events += writeToAll(sockets, packets) * packets.length
  }

  *#socketsOf(people: readonly string[]): Generator<Socket> {
    for (const userId of people) yield* socketsIn(this.#io, userRoom(userId))
  }

  /** Adds a user's sockets, including those still connecting, to a conversation, and then notifies them. */
  #add(join: JoinRequest, packets: readonly Packet[]): void {
    const { userId, conversationId, lastSeq } = join
    const { adapter } = this.#io.sockets
    const room = conversationRoom(conversationId)
    const ids = this.#idsOf(userId)
    if (ids.length === 0 || !this.#changes.note(room, userId, lastSeq)) return
    this.#noteEntering(ids, conversationId, { inside: true, seq: lastSeq })
    const newcomers = ids.filter((id) => adapter.rooms.get(room)?.has(id) !== true)
    for (const id of ids) adapter.addAll(id, new Set([room]))
    this.#messages.begin(room, lastSeq)
    void this.#messages.welcome(room, newcomers, lastSeq, this.#bus.barrier(), () => {
      const sockets = socketsIn(this.#io, userRoom(userId)).filter((socket) => socket.rooms.has(room))
      this.#events += writeToAll(sockets, packets) * packets.length
    })
  }

  /** Removes a user from a conversation as of message `seq`, unless they have rejoined since. */
  #removeAsOf(userId: string, room: string, seq: number): void {
    if (seq > this.#found.latest(room, userId) && this.#changes.note(room, userId, seq)) this.#remove(userId, room, seq)
  }

  /** Removes a user's sockets, including those still connecting, from a conversation. */
  #remove(userId: string, room: string, seq: number): void {
    const ids = this.#idsOf(userId)
    this.#noteEntering(ids, conversationIdOf(room), { inside: false, seq })
    for (const id of ids) this.#io.sockets.adapter.del(id, room)
  }

  /** Returns the ids of a user's sockets, including those still connecting. */
  #idsOf(userId: string): string[] {
    return [...(this.#io.sockets.adapter.rooms.get(userRoom(userId)) ?? [])]
  }

  /** Records a change for those of the sockets that are still entering. */
  #noteEntering(socketIds: readonly string[], conversationId: string, change: { inside: boolean; seq: number }): void {
    for (const { socketId, heard } of this.#entering)
      if (socketIds.includes(socketId)) heard.set(conversationId, change)
  }

  /** Poses as a client of the `redis` package for the sharded adapter, and forwards its calls to the bus. */
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
    // This process's own sockets got it when it was published.
    if (isFrameOf(payload, this.#options.origin)) return
    const frame = decodeFrame(payload)
    if (frame === undefined) this.#options.onError(new Error(`invalid frame on ${channel}`))
    else this.deliver(roomOf(channel), frame)
  }
}
