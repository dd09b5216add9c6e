import type { Span, Tracer } from '@parley/runtime'
import { createShardedAdapter } from '@socket.io/redis-adapter'
import type { Server, Socket } from 'socket.io'
import { writeArrivals } from './arrivals.ts'
import type { Bus, Handler } from './bus.ts'
import { preparePackets, socketsIn, writePackets } from './delivery.ts'
import { type Control, decodeFrame, type Frame, isFrame, isFrameOf, type JoinRequest } from './frame.ts'
import { LatestChanges } from './latest-changes.ts'
import { RoomOrder } from './order.ts'
import type { Packet } from './packet.ts'
import type { LocalRooms } from './publisher.ts'
import {
  CHANNEL_PREFIX,
  channelOf,
  conversationIdOf,
  conversationRoom,
  PEOPLE_ROOM,
  roomOf,
  userRoom,
} from './rooms.ts'

/** How long a message waits for the one before it, in milliseconds; see {@link RoomOrder}. */
const ORDER_PATIENCE_MS = 250
/** Messages fetched at once for those whom they passed by; who misses more finds them by syncing. */
const FETCH_MAX = 100
/** Rooms whose missing messages are fetched at a time; after an outage of Redis the others leave it to their clients. */
const FETCHES_AT_ONCE = 50

/** A conversation to enter, and how many messages it has: a later one waits for those between. */
export interface Entered {
  conversationId: string
  lastSeq: number
}

/** A stored message, ready to be sent. */
export interface StoredFrame {
  seq: number
  packet: Packet
  /** Those whom the message tells to have left. */
  leaving: string[]
}

/** A packet on its way to a room. */
interface Item {
  seq: number
  control: Control | null
  packet: Packet
}

export interface GatewayRoomsOptions {
  /** This process's epoch id. */
  origin: string
  /** The messages of a conversation with `from <= seq <= to` as they are stored; they may be told to its members. */
  stored: (conversationId: string, from: number, to: number) => Promise<StoredFrame[]>
  onError: (error: unknown) => void
  /** Left out where nothing is traced. */
  tracer?: Tracer | undefined
}

/**
 * The rooms of one gateway: Socket.IO's sharded adapter keeps who is in which, subscribes to a room's channel with its
 * first socket and unsubscribes with its last. Frames (see frame.ts) travel on the same channels, past the adapter.
 */
export class GatewayRooms implements LocalRooms {
  readonly #io: Server
  readonly #bus: Bus
  readonly #options: GatewayRoomsOptions
  readonly #orders = new Map<string, RoomOrder<Item>>()
  /** The seq that comes first in rooms where none has come yet. */
  readonly #begins = new Map<string, number>()
  readonly #changes = new LatestChanges()
  #fetches = 0
  /** Packets written to sockets, and how often messages were looked up that did not arrive. */
  readonly delivered = { messages: 0, events: 0, fetches: 0 }
  /** Sockets on their way into their rooms, and the conversations that their people were taken out of meanwhile. */
  readonly #entering = new Set<{ socketId: string; left: Set<string> }>()

  constructor(io: Server, bus: Bus, options: GatewayRoomsOptions) {
    this.#io = io
    this.#bus = bus
    this.#options = options
    io.adapter(createShardedAdapter(this.#redisFacade(), this.#redisFacade(), { channelPrefix: CHANNEL_PREFIX }))
    bus.subscribe(channelOf(PEOPLE_ROOM), (payload, channel) => this.#onFrame(channel, payload))
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
    const entry = { socketId: socket.id, left: new Set<string>() }
    this.#entering.add(entry)
    try {
      await socket.join(userRoom(userId))
      await this.#bus.barrier()
      const conversations = await memberships()
      const rooms: string[] = []
      for (const { conversationId, lastSeq } of conversations) {
        if (entry.left.has(conversationId)) continue
        const room = conversationRoom(conversationId)
        rooms.push(room)
        if (!this.#io.sockets.adapter.rooms.has(room)) this.#begins.set(room, lastSeq + 1)
      }
      await socket.join(rooms)
      await this.#bus.barrier()
    } finally {
      this.#entering.delete(entry)
    }
  }

  /** Never throws: a message that cannot be delivered here has been stored and published all the same. */
  deliver(room: string, frame: Frame): void {
    try {
      if (frame.seq === 0) this.#obey(room, frame)
      else if (this.#io.sockets.adapter.rooms.has(room)) this.#orderOf(room).accept(frame.seq, itemsOf(frame))
    } catch (error) {
      this.#options.onError(error)
    }
  }

  close(): void {
    for (const order of this.#orders.values()) order.close()
    this.#orders.clear()
  }

  #orderOf(room: string, next?: number): RoomOrder<Item> {
    let order = this.#orders.get(room)
    if (order === undefined) {
      const begin = this.#begins.get(room) ?? next
      const fetch = (from: number, to: number) => this.#fetch(room, from, to)
      order = new RoomOrder(ORDER_PATIENCE_MS, (items) => this.#write(room, items), begin, fetch)
      this.#orders.set(room, order)
      this.#begins.delete(room)
    }
    return order
  }

  /** Puts messages that did not arrive in their place. Frames that come late all the same are then passed over. */
  async #fetch(room: string, from: number, to: number): Promise<void> {
    if (this.#fetches >= FETCHES_AT_ONCE || to - from >= FETCH_MAX) return
    this.#fetches++
    this.delivered.fetches++
    try {
      const order = this.#orders.get(room)
      const stored = await this.#options.stored(conversationIdOf(room), from, to)
      // Everybody may have left the room while the query ran.
      if (order === undefined || this.#orders.get(room) !== order) return
      for (const { seq, packet, leaving } of stored) {
        order.accept(seq, [{ seq, control: leaving.length === 0 ? null : { leaving }, packet }])
      }
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#fetches--
    }
  }

  /** Writes messages that have their turn; those between two that take people out go in one piece. */
  #write(room: string, items: readonly Item[]): void {
    const spans = this.#options.tracer === undefined ? [] : this.#startSpans(items)
    let packets: Packet[] = []
    for (const { seq, control, packet } of items) {
      if (control?.leaving !== undefined) {
        this.#writeMessages(room, packets)
        packets = []
        this.#letGo(room, seq, control.leaving)
      }
      packets.push(packet)
    }
    const sockets = this.#writeMessages(room, packets)
    for (const span of spans) {
      span.attributes({ 'parley.sockets': sockets })
      span.end()
    }
  }

  #writeMessages(room: string, packets: readonly Packet[]): number {
    const sockets = this.#writeTo(socketsIn(this.#io, room), packets)
    this.delivered.messages += sockets * packets.length
    return sockets
  }

  #startSpans(items: readonly Item[]): Span[] {
    return items.flatMap(({ control }) => {
      const parent = control?.trace
      return parent === undefined
        ? []
        : (this.#options.tracer?.start('deliver message', { kind: 'consumer', parent }) ?? [])
    })
  }

  #letGo(room: string, seq: number, leaving: readonly string[]): void {
    for (const userId of leaving) if (this.#changes.note(room, userId, seq)) this.#take(userId, conversationIdOf(room))
  }

  /** A frame that has no place in the order. */
  #obey(room: string, { control, packets }: Frame): void {
    if (control?.leave !== undefined) this.#dismiss(control.leave)
    if (control?.join !== undefined) {
      this.#put(control.join, packets)
      return
    }
    if (control?.arrivals !== undefined) {
      this.delivered.events += writeArrivals(this.#io, control.arrivals, packets)
      return
    }
    const sockets = control?.people === undefined ? socketsIn(this.#io, room) : this.#socketsOf(control.people)
    this.delivered.events += this.#writeTo(sockets, packets) * packets.length
  }

  *#socketsOf(people: readonly string[]): Generator<Socket> {
    for (const userId of people) yield* socketsIn(this.#io, userRoom(userId))
  }

  /** @returns how many sockets there were */
  #writeTo(sockets: Iterable<Socket>, packets: readonly Packet[]): number {
    if (packets.length === 0) return 0
    let count = 0
    let prepared: ReturnType<typeof preparePackets> | undefined
    for (const socket of sockets) {
      prepared ??= preparePackets(packets)
      writePackets(socket, prepared)
      count++
    }
    return count
  }

  #dismiss({ userId, conversationId, seq }: NonNullable<Control['leave']>): void {
    const room = conversationRoom(conversationId)
    if (seq === undefined || this.#changes.note(room, userId, seq)) this.#take(userId, conversationId)
  }

  /** Puts a person's sockets into a conversation, those too that are only connecting; then tells them. */
  #put(join: JoinRequest, packets: readonly Packet[]): void {
    const { userId, conversationId, lastSeq } = join
    const { adapter } = this.#io.sockets
    const personRoom = userRoom(userId)
    const room = conversationRoom(conversationId)
    const ids = [...(adapter.rooms.get(personRoom) ?? [])]
    if (ids.length === 0 || !this.#changes.note(room, userId, lastSeq)) return
    const already = adapter.rooms.has(room)
    const newcomers = new Set(ids.filter((id) => adapter.rooms.get(room)?.has(id) !== true))
    for (const { socketId, left } of this.#entering) if (ids.includes(socketId)) left.delete(conversationId)
    for (const id of ids) adapter.addAll(id, new Set([room]))
    // What others here were given before this person came in has to be sent to them alone.
    const before = already ? (this.#orders.get(room)?.next ?? lastSeq + 1) : lastSeq + 1
    const order = this.#orderOf(room, lastSeq + 1)
    const theirs = () => [...socketsIn(this.#io, personRoom)].filter((socket) => socket.rooms.has(room))
    const deliver = ({ seq, packet: missed }: StoredFrame) => {
      const late = () => theirs().filter(({ id }) => newcomers.has(id))
      if (seq < before) this.#writeTo(late(), [missed])
      else if (adapter.rooms.has(room)) order.accept(seq, [{ seq, control: null, packet: missed }])
    }
    this.#bus
      .barrier()
      .then(async () => {
        this.#writeTo(theirs(), packets)
        const missed = await this.#options.stored(conversationId, lastSeq + 1, lastSeq + FETCH_MAX)
        for (const message of missed) deliver(message)
      })
      .catch(this.#options.onError)
  }

  /** Takes a person's sockets out of a conversation, those too that are only connecting. */
  #take(userId: string, conversationId: string): void {
    const { adapter } = this.#io.sockets
    const room = conversationRoom(conversationId)
    const ids = [...(adapter.rooms.get(userRoom(userId)) ?? [])]
    for (const { socketId, left } of this.#entering) if (ids.includes(socketId)) left.add(conversationId)
    for (const id of ids) adapter.del(id, room)
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

function itemsOf({ seq, control, packets }: Frame): Item[] {
  return packets.map((packet, index) => ({ seq: seq + index, control: index === 0 ? control : null, packet }))
}
