import type { Span, Tracer } from '@parley/runtime'
import type { Server, Socket } from 'socket.io'
import { peopleIn, socketsIn, writeToAll } from './delivery.ts'
import type { Control, Frame } from './frame.ts'
import { FETCH_MAX, RoomOrder } from './order.ts'
import type { Packet } from './packet.ts'
import { conversationIdOf } from './rooms.ts'

const ORDER_PATIENCE_MS = 250
/** Maximum number of rooms fetching missing messages concurrently. In the others, as after an outage of Redis, clients sync. */
const FETCHES_AT_ONCE = 50

/** A stored message, ready to be sent. */
export interface StoredFrame {
  seq: number
  packet: Packet
  /** Users who left with this message and have not rejoined. */
  leaving: string[]
}

/** A packet to be delivered to a room. */
interface Item {
  seq: number
  control: Control | null
  packet: Packet
}

export interface RoomMessagesOptions {
  /** Reads a conversation's messages with `from <= seq <= to`. */
  stored: (conversationId: string, from: number, to: number) => Promise<StoredFrame[]>
  /** Returns those of `userIds` who are not members of the conversation now, according to the database. */
  outsiders: (conversationId: string, userIds: readonly string[]) => Promise<string[]>
  /** Called when a message is due that removes these users from the room: they get neither it nor anything after it. */
  onLeaving: (room: string, seq: number, userIds: readonly string[]) => void
  onError: (error: unknown) => void
  /** How long a message waits for the one before it, in milliseconds; see {@link RoomOrder}. Default 250. */
  patienceMs?: number
  /** Omitted if tracing is off. */
  tracer?: Tracer | undefined
}

/** Writes messages to the rooms of one gateway, in seq order per room, and reads missing ones from the database. */
export class RoomMessages {
  readonly #io: Server
  readonly #options: RoomMessagesOptions
  readonly #orders = new Map<string, RoomOrder<Item>>()
  /** First seq of rooms in which no message has arrived yet. */
  readonly #begins = new Map<string, number>()
  /** Packets held for sockets that were added to a room and have not caught up yet, by room and socket id. */
  readonly #newcomers = new Map<string, Map<string, Packet[]>>()
  #fetches = 0
  /** Number of packets written to sockets, and of lookups of messages that did not arrive. */
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

  /** Call when a socket has joined: a room that is new here starts after `lastSeq`. */
  begin(room: string, lastSeq: number): void {
    if (this.#has(room) && !this.#orders.has(room) && !this.#begins.has(room)) this.#begins.set(room, lastSeq + 1)
  }

  accept(room: string, frame: Frame): void {
    if (this.#has(room)) this.#orderOf(room).accept(frame.seq, itemsOf(frame))
  }

  /**
   * Brings sockets that were just added to a room up to date: they get the messages stored after `lastSeq`, and nothing of the
   * room before those. Never rejects.
   * @param subscribed settles when everything published from then on reaches the room
   * @param announce notifies the sockets still in the room that they are in it
   */
  async welcome(
    room: string,
    socketIds: readonly string[],
    lastSeq: number,
    subscribed: Promise<unknown>,
    announce: () => void,
  ): Promise<void> {
    const order = this.#orderOf(room)
    // Messages before this one were delivered to the others, so they have to be written to the newcomers separately.
    const before = order.next ?? lastSeq + 1
    const waiting = this.#holdBack(room, socketIds)
    let backlog: Packet[] = []
    try {
      await subscribed
      const missed = await this.#options.stored(conversationIdOf(room), lastSeq + 1, lastSeq + FETCH_MAX)
      if (this.#orders.get(room) !== order) return
      const early = missed.filter(({ seq }) => seq < before)
      // They may have left since they were added; these messages will not arrive again to say so.
      for (const { seq, leaving } of early) this.#options.onLeaving(room, seq, leaving)
      backlog = early.map(({ packet }) => packet)
      acceptStored(order, missed.slice(early.length))
    } catch (error) {
      this.#options.onError(error)
    } finally {
      announce()
      this.#letIn(room, waiting, backlog)
    }
  }

  /** Seqs are assigned anew: each room starts with what arrives next. Messages that wait for their turn are dropped. */
  forget(): void {
    this.close()
    this.#begins.clear()
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
   * Fetches messages that did not arrive and puts them in their place; their frames are ignored if they arrive later. If more
   * are missing than one fetch returns, clients sync instead.
   */
  async #fetch(room: string, from: number, to: number): Promise<void> {
    if (this.#fetches >= FETCHES_AT_ONCE || to - from >= FETCH_MAX) return this.#removeOutsiders(room, to)
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

  /** Called before messages up to `seq` are skipped: some of them may have removed users from the conversation. */
  async #removeOutsiders(room: string, seq: number): Promise<void> {
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

  #letIn(room: string, waiting: ReadonlyMap<string, Packet[]>, backlog: readonly Packet[]): void {
    const newcomers = this.#newcomers.get(room)
    for (const [id, packets] of waiting) {
      // A socket that was removed and added again meanwhile waits for its later addition.
      if (newcomers?.get(id) !== packets) continue
      newcomers.delete(id)
      const socket = this.#io.sockets.sockets.get(id)
      const due = [...backlog, ...packets]
      if (socket?.rooms.has(room)) this.delivered += writeToAll([socket], due) * due.length
    }
    if (newcomers?.size === 0) this.#newcomers.delete(room)
  }

  /** Writes messages that are due; those between two that remove users are written together. */
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

  /** @returns the number of sockets */
  #writePackets(room: string, packets: readonly Packet[]): number {
    const newcomers = this.#newcomers.get(room)
    const sockets = newcomers === undefined ? socketsIn(this.#io, room) : this.#upToDate(room, packets, newcomers)
    const count = writeToAll(sockets, packets)
    this.delivered += count * packets.length
    return count
  }

  /** Yields the sockets in a room that are up to date; keeps the packets for the others. */
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
