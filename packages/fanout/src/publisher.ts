import type { Message, ServerEventName, ServerEvents } from '@parley/protocol'
import type { TraceParent } from '@parley/runtime'
import { type Arrival, framesOf, roomsOfArrival } from './arrivals.ts'
import type { Bus } from './bus.ts'
import { type Control, encodeFrame, type Frame } from './frame.ts'
import { encodeEvent, encodeMessage, type Packet } from './packet.ts'
import { channelOf, conversationRoom, PEOPLE_ROOM, userRoom } from './rooms.ts'

/** Delivers a frame to this process's own sockets; only gateways have some. */
export interface LocalRooms {
  deliver(room: string, frame: Frame): void
}

/** Kept until Redis takes them: no worker tells of them again, and they do not pass by themselves. */
const UNTOLD: ReadonlySet<ServerEventName> = new Set(['messageRead'])

/**
 * Publishes events to rooms, from any process. A packet is encoded once. The sockets of this very process get it at
 * once, Redis or no Redis; all others by one SPUBLISH on the room's channel. Nothing here waits for Redis or fails.
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
   * `newMessage` to everybody in the conversation, in seq order. `leaving` are taken out just before it. Gateways that
   * deliver it go on with `trace`.
   */
  message(message: Message, leaving?: string[], trace?: TraceParent): Promise<boolean> {
    const control = { ...(leaving === undefined ? {} : { leaving }), ...(trace === undefined ? {} : { trace }) }
    return this.#run([message], leaving === undefined && trace === undefined ? null : control)
  }

  /**
   * `newMessage` for a batch of messages, those of one conversation in seq order. What follows each other in a conversation
   * travels as one publish and is written to each socket in one piece. Figures in docs/PERFORMANCE.md.
   * Resolves to false where one was not taken.
   */
  async messages(messages: readonly Message[]): Promise<boolean> {
    const taken = await Promise.all(runsOf(messages).map((run) => this.#run(run, null)))
    return !taken.includes(false)
  }

  /** An event without a place in the order, to everybody in a conversation. */
  toConversation<Name extends ServerEventName>(id: string, event: Name, payload: ServerEvents[Name]): Promise<boolean> {
    return this.#event(conversationRoom(id), encodeEvent(event, payload), null, UNTOLD.has(event))
  }

  /**
   * News of a person for their contacts: one publish, which every gateway gets, instead of one to each contact's channel.
   * (4,000 who come at once with 80 contacts each made 320,000 publishes; figures in docs/PERFORMANCE.md.)
   */
  toPeople<Name extends ServerEventName>(userIds: readonly string[], event: Name, payload: ServerEvents[Name]): void {
    if (userIds.length > 0) void this.#event(PEOPLE_ROOM, encodeEvent(event, payload), { people: [...userIds] })
  }

  /**
   * `userOnline` for people who came about the same time, to the sockets that are in one of their conversations: one publish
   * for all of them, and one write to each socket.
   */
  online(people: readonly Arrival[]): void {
    for (const arrivals of framesOf(people)) {
      const packets = arrivals.map(({ userId, userName }) => encodeEvent('userOnline', { userId, userName }))
      const control = { arrivals: arrivals.map(roomsOfArrival) }
      void this.#send(PEOPLE_ROOM, { origin: this.#origin, seq: 0, control, packets })
    }
  }

  /** Puts all sockets of a person into a conversation; they get the event once messages are sure to reach them. */
  join(userId: string, lastSeq: number, conversation: ServerEvents['conversationCreated']): Promise<boolean> {
    const control = { join: { userId, conversationId: conversation.id, lastSeq } }
    return this.#event(userRoom(userId), encodeEvent('conversationCreated', conversation), control)
  }

  /** Takes all sockets of a person out of a conversation, as its message `seq` tells, and tells them. */
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

/** Messages of one conversation with one seq after the other. */
function runsOf(messages: readonly Message[]): [Message, ...Message[]][] {
  const runs: [Message, ...Message[]][] = []
  const open = new Map<string, [Message, ...Message[]]>()
  for (const message of messages) {
    const run = open.get(message.conversationId)
    if (run !== undefined && run[0].seq + run.length === message.seq) run.push(message)
    else {
      const begun: [Message, ...Message[]] = [message]
      runs.push(begun)
      open.set(message.conversationId, begun)
    }
  }
  return runs
}
