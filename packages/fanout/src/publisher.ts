import type { Message, ServerEventName, ServerEvents } from '@parley/protocol'
import type { TraceParent } from '@parley/runtime'
import { type Arrival, framesOf, roomsOfArrival } from './arrivals.ts'
import type { Bus } from './bus.ts'
import { type Control, encodeFrame, type Frame } from './frame.ts'
import { encodeEvent, encodeMessage, type Packet } from './packet.ts'
import { channelOf, conversationRoom, PEOPLE_ROOM, userRoom } from './rooms.ts'

/** Delivers a frame to this process's own sockets, which only gateways have. */
export interface LocalRooms {
  deliver(room: string, frame: Frame): void
}

/** Events to keep until Redis accepts them: no worker publishes them again, and they do not expire by themselves. */
const KEPT_EVENTS: ReadonlySet<ServerEventName> = new Set(['messageRead'])

/**
 * Publishes events to rooms, from any process. A packet is encoded once. The sockets of this process get it immediately, even
 * if Redis is down; all others by one SPUBLISH on the room's channel. Nothing here throws or rejects; the promises resolve to
 * whether Redis accepted the publish.
 */
export class Publisher {
  readonly #bus: Bus
  readonly #origin: string
  readonly #local: LocalRooms | undefined

  /** @param origin this process's epoch id; must not contain `|` */
  constructor(bus: Bus, origin: string, local?: LocalRooms) {
    this.#bus = bus
    this.#origin = origin
    this.#local = local
  }

  /**
   * Sends `newMessage` to everybody in the conversation, in seq order. The users in `leaving` are removed just before it.
   * Gateways that deliver it continue `trace`.
   */
  message(message: Message, leaving?: string[], trace?: TraceParent): Promise<boolean> {
    const control = { ...(leaving === undefined ? {} : { leaving }), ...(trace === undefined ? {} : { trace }) }
    return this.#run([message], leaving === undefined && trace === undefined ? null : control)
  }

  /**
   * Sends `newMessage` for a batch of messages, those of one conversation in seq order. Consecutive messages of a conversation
   * are published together and written to each socket at once. Figures in docs/PERFORMANCE.md.
   * Resolves to false if any of them was not accepted.
   */
  async messages(messages: readonly Message[]): Promise<boolean> {
    const taken = await Promise.all(runsOf(messages).map((run) => this.#run(run, null)))
    return !taken.includes(false)
  }

  /** Sends an event outside the message order to everybody in a conversation. */
  toConversation<Name extends ServerEventName>(id: string, event: Name, payload: ServerEvents[Name]): Promise<boolean> {
    return this.#event(conversationRoom(id), encodeEvent(event, payload), null, KEPT_EVENTS.has(event))
  }

  /**
   * Sends an event about a user to their contacts: with one publish that every gateway gets, instead of one per contact. (4,000
   * users who connect at once with 80 contacts each made 320,000 publishes; figures in docs/PERFORMANCE.md.)
   */
  toPeople<Name extends ServerEventName>(userIds: readonly string[], event: Name, payload: ServerEvents[Name]): void {
    if (userIds.length > 0) void this.#event(PEOPLE_ROOM, encodeEvent(event, payload), { people: [...userIds] })
  }

  /**
   * Sends `userOnline` for users who came online at about the same time, to the sockets in any of their conversations: with one
   * publish for all of them, and one write to each socket.
   */
  online(people: readonly Arrival[]): void {
    for (const arrivals of framesOf(people)) {
      const packets = arrivals.map(({ userId, userName }) => encodeEvent('userOnline', { userId, userName }))
      const control = { arrivals: arrivals.map(roomsOfArrival) }
      void this.#send(PEOPLE_ROOM, { origin: this.#origin, seq: 0, control, packets })
    }
  }

  /** Adds all sockets of a user to a conversation; they get the event once messages are certain to reach them. */
  join(userId: string, lastSeq: number, conversation: ServerEvents['conversationCreated']): Promise<boolean> {
    const control = { join: { userId, conversationId: conversation.id, lastSeq } }
    return this.#event(userRoom(userId), encodeEvent('conversationCreated', conversation), control)
  }

  /** Removes all sockets of a user from a conversation, as announced by its message `seq`, and notifies them. */
  leave(userId: string, seq: number, update: ServerEvents['conversationUpdated']): Promise<boolean> {
    const control = { leave: { userId, conversationId: update.conversationId, seq } }
    return this.#event(userRoom(userId), encodeEvent('conversationUpdated', update), control)
  }

  #run(run: readonly [Message, ...Message[]], control: Control | null): Promise<boolean> {
    const [{ conversationId, seq }] = run
    const packets = run.map(encodeMessage)
    return this.#send(conversationRoom(conversationId), { origin: this.#origin, seq, control, packets })
  }

  #event(room: string, packet: Packet, control: Control | null, keep = false): Promise<boolean> {
    return this.#send(room, { origin: this.#origin, seq: 0, control, packets: [packet] }, keep)
  }

  #send(room: string, frame: Frame, keep = false): Promise<boolean> {
    const published = this.#bus.publish(channelOf(room), encodeFrame(frame), keep)
    this.#local?.deliver(room, frame)
    return published
  }
}

/** Splits messages into runs of one conversation with consecutive seqs. */
function runsOf(messages: readonly Message[]): [Message, ...Message[]][] {
  const runs: [Message, ...Message[]][] = []
  const open = new Map<string, [Message, ...Message[]]>()
  for (const message of messages) {
    const run = open.get(message.conversationId)
    if (run !== undefined && run[0].seq + run.length === message.seq) run.push(message)
    else {
      const started: [Message, ...Message[]] = [message]
      runs.push(started)
      open.set(message.conversationId, started)
    }
  }
  return runs
}
