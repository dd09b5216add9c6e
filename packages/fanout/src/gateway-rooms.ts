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

/** A conversation to enter, and how many messages it has: a later one waits for those between. */
export interface Entered {
  conversationId: string
  lastSeq: number
}

export interface GatewayRoomsOptions extends Omit<RoomMessagesOptions, 'onLeaving'> {
  /** This process's epoch id. */
  origin: string
}

/** A socket on its way into its rooms. */
interface Entry {
  socketId: string
  /** The conversations that its person was put into or taken out of meanwhile, and as of which seq. */
  heard: Map<string, { inside: boolean; seq: number }>
}

/**
 * The rooms of one gateway: Socket.IO's sharded adapter keeps who is in which, subscribes to a room's channel with its
 * first socket and unsubscribes with its last. Frames (see frame.ts) travel on the same channels, past the adapter.
 */
export class GatewayRooms implements LocalRooms {
  readonly #io: Server
  readonly #bus: Bus
  readonly #options: GatewayRoomsOptions
  readonly #messages: RoomMessages
  readonly #changes = new LatestChanges()
  /** That somebody who came here was in a conversation: what tells late that they were taken out before that is old. */
  readonly #found = new LatestChanges()
  readonly #entering = new Set<Entry>()
  #events = 0

  constructor(io: Server, bus: Bus, options: GatewayRoomsOptions) {
    this.#io = io
    this.#bus = bus
    this.#options = options
    io.adapter(createShardedAdapter(this.#redisFacade(), this.#redisFacade(), { channelPrefix: CHANNEL_PREFIX }))
    bus.subscribe(channelOf(PEOPLE_ROOM), (payload, channel) => this.#onFrame(channel, payload))
    const onLeaving: RoomMessagesOptions['onLeaving'] = (...leaving) => this.#letGo(...leaving)
    this.#messages = new RoomMessages(io, { ...options, onLeaving })
  }

  /** Packets written to sockets, and how often messages were looked up that did not arrive. */
  get delivered(): { messages: number; events: number; fetches: number } {
    return { messages: this.#messages.delivered, events: this.#events, fetches: this.#messages.fetches }
  }

  /**
   * Puts a socket, one that is about to connect too, into its person's room and conversations, and takes it out of others.
   * Resolves once everything published there reaches it, or after a second or two when Redis is away.
   * @param memberships asks for the person's conversations; called when a change of them can no longer go unnoticed
   * @returns whether Redis has confirmed it
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

  /** Whether Redis confirms within a second all that sockets have entered so far. */
  confirmed(): Promise<boolean> {
    return this.#bus.barrier()
  }

  /**
   * Into these conversations and out of all others. A change that was heard meanwhile, and has been made here already, counts
   * more than what was looked up before it.
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
    // Not for one that is gone: then it does nothing.
    void socket.join([...rooms])
    for (const { conversationId, lastSeq } of inside) {
      const room = conversationRoom(conversationId)
      this.#found.note(room, userId, lastSeq)
      this.#messages.begin(room, lastSeq)
    }
  }

  /** Never throws: a message that cannot be delivered here has been stored and published all the same. */
  deliver(room: string, frame: Frame): void {
    try {
      if (frame.seq === 0) this.#obey(room, frame)
      else this.#messages.accept(room, frame)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  close(): void {
    this.#messages.close()
  }

  #letGo(room: string, seq: number, leaving: readonly string[]): void {
    for (const userId of leaving) this.#take(userId, room, seq)
  }

  /** A frame that has no place in the order. */
  #obey(room: string, { control, packets }: Frame): void {
    if (control?.leave !== undefined) {
      const { userId, conversationId, seq } = control.leave
      const room = conversationRoom(conversationId)
      if (seq === undefined) this.#remove(userId, room, Number.POSITIVE_INFINITY)
      else this.#take(userId, room, seq)
    }
    if (control?.join !== undefined) {
      this.#put(control.join, packets)
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

  /** Puts a person's sockets into a conversation, those too that are only connecting; then tells them. */
  #put(join: JoinRequest, packets: readonly Packet[]): void {
    const { userId, conversationId, lastSeq } = join
    const { adapter } = this.#io.sockets
    const room = conversationRoom(conversationId)
    const ids = this.#idsOf(userId)
    if (ids.length === 0 || !this.#changes.note(room, userId, lastSeq)) return
    this.#hear(ids, conversationId, { inside: true, seq: lastSeq })
    const newcomers = ids.filter((id) => adapter.rooms.get(room)?.has(id) !== true)
    for (const id of ids) adapter.addAll(id, new Set([room]))
    this.#messages.begin(room, lastSeq)
    void this.#messages.welcome(room, newcomers, lastSeq, this.#bus.barrier(), () => {
      const theirs = socketsIn(this.#io, userRoom(userId)).filter((socket) => socket.rooms.has(room))
      this.#events += writeToAll(theirs, packets) * packets.length
    })
  }

  /** Takes a person out of a conversation as of message `seq`, where they have not come back since. */
  #take(userId: string, room: string, seq: number): void {
    if (seq > this.#found.latest(room, userId) && this.#changes.note(room, userId, seq)) this.#remove(userId, room, seq)
  }

  /** Takes a person's sockets out of a conversation, those too that are only connecting. */
  #remove(userId: string, room: string, seq: number): void {
    const ids = this.#idsOf(userId)
    this.#hear(ids, conversationIdOf(room), { inside: false, seq })
    for (const id of ids) this.#io.sockets.adapter.del(id, room)
  }

  /** A person's sockets, those too that are only connecting. */
  #idsOf(userId: string): string[] {
    return [...(this.#io.sockets.adapter.rooms.get(userRoom(userId)) ?? [])]
  }

  #hear(socketIds: readonly string[], conversationId: string, change: { inside: boolean; seq: number }): void {
    for (const { socketId, heard } of this.#entering)
      if (socketIds.includes(socketId)) heard.set(conversationId, change)
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
    // Its own sockets had it before it was published.
    if (isFrameOf(payload, this.#options.origin)) return
    const frame = decodeFrame(payload)
    if (frame === undefined) this.#options.onError(new Error(`not a frame, on ${channel}`))
    else this.deliver(roomOf(channel), frame)
  }
}
