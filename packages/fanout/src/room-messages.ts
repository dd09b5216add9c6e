import type { Span, Tracer } from '@parley/runtime'
import type { Server, Socket } from 'socket.io'
import { peopleIn, socketsIn, writeToAll } from './delivery.ts'
import type { Control, Frame } from './frame.ts'
import { FETCH_MAX, RoomOrder } from './order.ts'
import type { Packet } from './packet.ts'
import { conversationIdOf } from './rooms.ts'

const ORDER_PATIENCE_MS = 250
/** Rooms whose missing messages are fetched at a time; after an outage of Redis clients of the others sync. */
const FETCHES_AT_ONCE = 50

/** A stored message, ready to be sent. */
export interface StoredFrame {
  seq: number
  packet: Packet
  /** Those whom the message tells to have left, and who have not come back. */
  leaving: string[]
}

/** A packet on its way to a room. */
interface Item {
  seq: number
  control: Control | null
  packet: Packet
}

export interface RoomMessagesOptions {
  /** The messages of a conversation with `from <= seq <= to` as they are stored; they may be told to its members. */
  stored: (conversationId: string, from: number, to: number) => Promise<StoredFrame[]>
  /** Those of these people who are not in the conversation, as the database has it now. */
  outsiders: (conversationId: string, userIds: readonly string[]) => Promise<string[]>
  /** A message has its turn that takes these people out of the room: it, and what follows, is not for them. */
  onLeaving: (room: string, seq: number, userIds: readonly string[]) => void
  onError: (error: unknown) => void
  /** How long a message waits for the one before it, in milliseconds; see {@link RoomOrder}. Default 250. */
  patienceMs?: number
  /** Left out where nothing is traced. */
  tracer?: Tracer | undefined
}

/** Writes messages to the rooms of one gateway: those of each room in seq order, and what did not arrive as it is stored. */
export class RoomMessages {
  readonly #io: Server
  readonly #options: RoomMessagesOptions
  readonly #orders = new Map<string, RoomOrder<Item>>()
  /** The seq that comes first in rooms where none has come yet. */
  readonly #begins = new Map<string, number>()
  /** By room, what waits for sockets that were put into it and have not caught up with the others. */
  readonly #newcomers = new Map<string, Map<string, Packet[]>>()
  #fetches = 0
  /** Packets written to sockets, and how often messages were looked up that did not arrive. */
  delivered = 0
  fetches = 0

  constructor(io: Server, options: RoomMessagesOptions) {
    this.#io = io
    this.#options = options
    io.sockets.adapter.on('delete-room', (room: string) => {
      this.#orders.get(room)?.close()
      this.#orders.delete(room)
      this.#begins.delete(room)
    })
  }

  /** Call when a socket has joined: a room that is new here begins after this many messages. */
  begin(room: string, lastSeq: number): void {
    if (this.#has(room) && !this.#orders.has(room) && !this.#begins.has(room)) this.#begins.set(room, lastSeq + 1)
  }

  accept(room: string, frame: Frame): void {
    if (this.#has(room)) this.#orderOf(room).accept(frame.seq, itemsOf(frame))
  }

  /**
   * Has sockets that were put into a room just now catch up with the others in it: they get what was stored after message
   * `lastSeq`, and nothing of the room before that. Never rejects.
   * @param subscribed settles when what is published from then on reaches the room
   * @param tell says that they are in it, to those who still are
   */
  async welcome(
    room: string,
    socketIds: readonly string[],
    lastSeq: number,
    subscribed: Promise<unknown>,
    tell: () => void,
  ): Promise<void> {
    const order = this.#orderOf(room)
    // What others here were given before has to be sent to these alone.
    const before = order.next ?? lastSeq + 1
    const waiting = this.#holdBack(room, socketIds)
    let passedBy: Packet[] = []
    try {
      await subscribed
      const missed = await this.#options.stored(conversationIdOf(room), lastSeq + 1, lastSeq + FETCH_MAX)
      if (this.#orders.get(room) !== order) return
      const early = missed.filter(({ seq }) => seq < before)
      // They may have gone since they were put in: of that nothing will come any more.
      for (const { seq, leaving } of early) this.#options.onLeaving(room, seq, leaving)
      passedBy = early.map(({ packet }) => packet)
      acceptStored(order, missed.slice(early.length))
    } catch (error) {
      this.#options.onError(error)
    } finally {
      tell()
      this.#letIn(room, waiting, passedBy)
    }
  }

  close(): void {
    for (const order of this.#orders.values()) order.close()
    this.#orders.clear()
  }

  #has(room: string): boolean {
    return this.#io.sockets.adapter.rooms.has(room)
  }

  #orderOf(room: string): RoomOrder<Item> {
    let order = this.#orders.get(room)
    if (order === undefined) {
      const { patienceMs = ORDER_PATIENCE_MS } = this.#options
      const fetch = (from: number, to: number) => this.#fetch(room, from, to)
      order = new RoomOrder(patienceMs, (items) => this.#write(room, items), this.#begins.get(room), fetch)
      this.#orders.set(room, order)
      this.#begins.delete(room)
    }
    return order
  }

  /**
   * Puts messages that did not arrive in their place. Frames that come late all the same are then passed over. Who misses more
   * than are fetched at once finds them by syncing.
   */
  async #fetch(room: string, from: number, to: number): Promise<void> {
    if (this.#fetches >= FETCHES_AT_ONCE || to - from >= FETCH_MAX) return this.#dismissOutsiders(room, to)
    this.#fetches++
    this.fetches++
    try {
      const order = this.#orders.get(room)
      const stored = await this.#options.stored(conversationIdOf(room), from, to)
      // Everybody may have left the room while the query ran.
      if (order !== undefined && this.#orders.get(room) === order) acceptStored(order, stored)
    } catch (error) {
      this.#options.onError(error)
    } finally {
      this.#fetches--
    }
  }

  /** Before messages are passed over: up to `seq` there may have been some that took people out. */
  async #dismissOutsiders(room: string, seq: number): Promise<void> {
    try {
      const outsiders = await this.#options.outsiders(conversationIdOf(room), peopleIn(this.#io, room))
      this.#options.onLeaving(room, seq, outsiders)
    } catch (error) {
      this.#options.onError(error)
    }
  }

  #holdBack(room: string, socketIds: readonly string[]): Map<string, Packet[]> {
    const waiting = new Map<string, Packet[]>(socketIds.map((id) => [id, []]))
    const newcomers = this.#newcomers.get(room) ?? new Map<string, Packet[]>()
    for (const [id, packets] of waiting) newcomers.set(id, packets)
    if (newcomers.size > 0) this.#newcomers.set(room, newcomers)
    return waiting
  }

  #letIn(room: string, waiting: ReadonlyMap<string, Packet[]>, passedBy: readonly Packet[]): void {
    const newcomers = this.#newcomers.get(room)
    for (const [id, packets] of waiting) {
      // Who was taken out and put in again meanwhile waits for what comes after that.
      if (newcomers?.get(id) !== packets) continue
      newcomers.delete(id)
      const socket = this.#io.sockets.sockets.get(id)
      const theirs = [...passedBy, ...packets]
      if (socket?.rooms.has(room)) this.delivered += writeToAll([socket], theirs) * theirs.length
    }
    if (newcomers?.size === 0) this.#newcomers.delete(room)
  }

  /** Writes messages that have their turn; those between two that take people out go in one piece. */
  #write(room: string, items: readonly Item[]): void {
    const spans = this.#options.tracer === undefined ? [] : this.#startSpans(items)
    let packets: Packet[] = []
    for (const { seq, control, packet } of items) {
      if (control?.leaving !== undefined) {
        this.#writePackets(room, packets)
        packets = []
        this.#options.onLeaving(room, seq, control.leaving)
      }
      packets.push(packet)
    }
    const sockets = this.#writePackets(room, packets)
    for (const span of spans) {
      span.attributes({ 'parley.sockets': sockets })
      span.end()
    }
  }

  /** @returns how many sockets there were */
  #writePackets(room: string, packets: readonly Packet[]): number {
    const newcomers = this.#newcomers.get(room)
    const those = newcomers === undefined ? socketsIn(this.#io, room) : this.#upToDate(room, packets, newcomers)
    const sockets = writeToAll(those, packets)
    this.delivered += sockets * packets.length
    return sockets
  }

  /** Those in a room who have caught up with it; the packets are kept for the others. */
  *#upToDate(room: string, packets: readonly Packet[], newcomers: ReadonlyMap<string, Packet[]>): Generator<Socket> {
    for (const socket of socketsIn(this.#io, room)) {
      const waiting = newcomers.get(socket.id)
      if (waiting === undefined) yield socket
      else waiting.push(...packets)
    }
  }

  #startSpans(items: readonly Item[]): Span[] {
    return items.flatMap(({ control }) => {
      const parent = control?.trace
      return parent === undefined
        ? []
        : (this.#options.tracer?.start('deliver message', { kind: 'consumer', parent }) ?? [])
    })
  }
}

function itemsOf({ seq, control, packets }: Frame): Item[] {
  const items: Item[] = []
  for (const packet of packets) {
    items.push({ seq: seq + items.length, control: items.length === 0 ? control : null, packet })
  }
  return items
}

function acceptStored(order: RoomOrder<Item>, stored: readonly StoredFrame[]): void {
  for (const { seq, packet, leaving } of stored) {
    order.accept(seq, [{ seq, control: leaving.length === 0 ? null : { leaving }, packet }])
  }
}
