import type { Conversation, Message, ServerEvents, SyncedConversation } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { areSame, mergeMembers } from './members.ts'
import { Revisions } from './revisions.ts'
import { Sequence } from './sequence.ts'
import { Timeline } from './timeline.ts'

/** Events that are kept until a sync; of more it tells as well. */
const TOLD_MAX = 100

export interface RoomOptions {
  conversation: Conversation
  /** The client's own person; '' until there has been a token. */
  userId: () => string
  /** Delivery begins after this seq. */
  delivered: number
  /** What was stored by then (a timestamp; '' for nothing) has been delivered already, whatever its seq. */
  deliveredUntil: string
  windowSize: number
  /** Called when what the stores show has changed. */
  onInfo: () => void
  /** Called when others are in it than before. @param fewest how many people it had, before or after */
  onPeople: (fewest: number) => void
  onTimeline: () => void
}

/** One conversation as the client has it. Takes in events in any order; every fact is taken once. */
export class Room {
  readonly timeline: Timeline
  readonly revisions: Revisions
  readonly sequence: Sequence
  readonly deliveredUntil: string
  /** When the newest message was stored that was let through; '' where that is not known. */
  deliveredAt: string
  readonly #options: RoomOptions
  /** The rev that a catch-up under way will have reached. */
  catchingUpTo: number | undefined
  /** The rev of the newest picture of it that was taken in. */
  #pictured = 0
  /** What events told of its name and people, in the order of rev, since the last sync or picture. */
  #told: readonly ServerEvents['conversationUpdated'][] = []
  /** Read marks of people who are not listed (yet), and the rev that each was told with. */
  readonly #ahead = new Map<string, { seq: number; rev: number }>()
  #info: Conversation

  constructor(options: RoomOptions) {
    this.#options = options
    this.#info = options.conversation
    this.deliveredUntil = options.deliveredUntil
    this.deliveredAt = options.delivered >= this.#info.lastSeq ? this.#info.updatedAt : options.deliveredUntil
    this.revisions = new Revisions(options.conversation.rev)
    this.sequence = new Sequence(options.delivered)
    this.timeline = new Timeline(options.windowSize, options.onTimeline)
  }

  get id(): string {
    return this.#info.id
  }

  get info(): Conversation {
    return this.#info
  }

  /** Its name and people are shown as of this rev, or a later one. */
  get asOf(): number {
    return Math.max(this.revisions.upTo, this.#pictured)
  }

  /** Read marks of those people who are listed. */
  marks(): ReadonlyMap<string, number> {
    return new Map(this.#info.participants.map(({ id, lastReadSeq }) => [id, lastReadSeq]))
  }

  /** Takes in a message, new or not. Answers with those that are to be delivered now, in order. */
  accept(message: Message): Message[] {
    this.revisions.saw(message.rev)
    if (message.seq <= this.sequence.delivered) {
      this.timeline.change(message)
      if (this.#info.lastMessage?.id === message.id && message.rev > this.#info.lastMessage.rev) {
        this.#update({ lastMessage: message })
      }
      return []
    }
    const ready = this.sequence.accept(message)
    for (const next of ready) this.#deliver(next)
    return ready
  }

  #deliver(message: Message): void {
    this.deliveredAt = message.createdAt
    this.timeline.deliver(message)
    this.#newest(message)
    // Who writes has read: the server moved the sender's mark with the message. Whom it acts for itself need not have.
    if (message.system?.byService !== true) this.#read(message.senderId, message)
  }

  #newest(message: Message): void {
    if (message.seq < (this.#info.lastMessage?.seq ?? 0)) return
    const lastSeq = Math.max(this.#info.lastSeq, message.seq)
    this.#update({ lastMessage: message, lastSeq, updatedAt: message.createdAt })
  }

  /**
   * Somebody, oneself perhaps, has read up to a seq. Marks never go back.
   * @param joinedSeq messages up to this one were there before the person came, where that is known
   */
  mark(userId: string, seq: number, joinedSeq?: number): void {
    const { participants, lastReadSeq } = this.#info
    const index = participants.findIndex(({ id }) => id === userId)
    const person = participants[index]
    if (userId === this.#options.userId() && seq > lastReadSeq) this.#update({ lastReadSeq: seq })
    if (person !== undefined && seq > person.lastReadSeq) {
      this.#update({ participants: participants.with(index, { ...person, lastReadSeq: seq }) })
    }
    const since = joinedSeq ?? (person === undefined ? this.#strangersFrom(seq) : 0)
    // They have left and come back.
    if (person !== undefined && since > person.lastReadSeq) this.timeline.unmark(userId)
    const from = Math.max(person?.lastReadSeq ?? 0, since)
    if (seq > from) this.timeline.mark(userId, from, seq)
  }

  #knows(userId: string): boolean {
    return this.#info.participants.some(({ id }) => id === userId)
  }

  /** Of a large group not all are listed. Else who is not known has only just come, or gone: a sync says what they read. */
  #strangersFrom(seq: number): number {
    return this.#info.participantCount > LIMITS.listedParticipants ? 0 : seq
  }

  onRead(receipt: ServerEvents['messageRead']): void {
    this.revisions.saw(receipt.rev)
    this.#read(receipt.userId, receipt)
  }

  /** An event tells how far somebody has read: of one who is not listed perhaps ahead of the answer that lists them. */
  #read(userId: string, { seq, rev }: { seq: number; rev: number }): void {
    if (!this.#knows(userId) && seq > (this.#ahead.get(userId)?.seq ?? 0)) this.#ahead.set(userId, { seq, rev })
    this.mark(userId, seq)
  }

  /** Who is listed now has read what was told of them ahead. @param asOf the answer's rev: it knows what was told up to then */
  #markAhead(asOf: number): void {
    for (const [userId, { seq, rev }] of this.#ahead) {
      if (this.#knows(userId)) this.mark(userId, seq)
      else if (rev > asOf) continue
      this.#ahead.delete(userId)
    }
  }

  /** The name or the people changed; with the SYSTEM message that tells of it, that took two revs. */
  onUpdated(update: ServerEvents['conversationUpdated']): void {
    if (update.rev <= this.revisions.upTo) return
    this.revisions.expect(update.rev)
    if (this.#saysAll(update)) {
      this.revisions.saw(update.rev - 1)
      this.revisions.saw(update.rev)
    }
    if (update.rev <= this.#pictured || this.#told.some(({ rev }) => rev === update.rev)) return
    this.#told = [...this.#told, update].sort((a, b) => a.rev - b.rev).slice(-TOLD_MAX)
    this.#tellAgain()
  }

  /** Else, who the new people are and who owns the group now, a sync has to tell: a hole stays in the revs. */
  #saysAll({ rev, added, removed }: ServerEvents['conversationUpdated']): boolean {
    if (rev <= this.#pictured) return true
    const { participants } = this.#info
    return added.length === 0 && removed.every((id) => participants.some((p) => p.id === id && p.role === 'MEMBER'))
  }

  /** Puts what was told on top of what is shown, which may have been made before. */
  #tellAgain(): void {
    for (const { name, participantCount, removed } of this.#told) {
      const participants = this.#info.participants.filter(({ id }) => !removed.includes(id))
      this.#update({ name, participantCount, participants })
      for (const id of removed) this.timeline.unmark(id)
    }
  }

  /** Someone came or went. */
  setOnline(userId: string, isOnline: boolean, lastSeen: string | null): void {
    const index = this.#info.participants.findIndex(({ id }) => id === userId)
    const person = this.#info.participants[index]
    if (person === undefined || (person.isOnline === isOnline && (isOnline || person.lastSeen === lastSeen))) return
    this.#update({ participants: this.#info.participants.with(index, { ...person, isOnline, lastSeen }) })
  }

  /** These are online of all but oneself. When others went nobody has said. */
  setAllOnline(online: ReadonlySet<string>): void {
    const now = new Date().toISOString()
    for (const { id, isOnline } of this.#info.participants) {
      const is = online.has(id)
      if (isOnline !== is && id !== this.#options.userId()) this.setOnline(id, is, is ? now : null)
    }
  }

  /** A fresh picture of it from the server (an answer over HTTP, an event). */
  refresh(conversation: Conversation): void {
    if (conversation.rev < this.asOf) return
    this.#pictured = conversation.rev
    this.revisions.expect(conversation.rev)
    this.#told = this.#told.filter(({ rev }) => rev > conversation.rev)
    // Of those who are new it does not say which messages were there before them.
    for (const { id, lastReadSeq } of conversation.participants) if (this.#knows(id)) this.mark(id, lastReadSeq)
    this.#update({ ...conversation, ...this.#laterThan(conversation) })
    this.#tellAgain()
    this.#markAhead(conversation.rev)
    this.sequence.expect(conversation.lastSeq)
  }

  /** What was told by events of after a picture was made, though there be a hole before them. */
  #laterThan({ lastSeq, lastMessage, lastReadSeq, updatedAt, participants }: Conversation): Partial<Conversation> {
    const known = this.#info
    const marks = this.marks()
    return {
      lastSeq: Math.max(known.lastSeq, lastSeq),
      lastMessage: known.lastMessage ?? lastMessage,
      lastReadSeq: Math.max(known.lastReadSeq, lastReadSeq),
      updatedAt: known.updatedAt > updatedAt ? known.updatedAt : updatedAt,
      participants: participants.map((person) => ({
        ...person,
        lastReadSeq: Math.max(person.lastReadSeq, marks.get(person.id) ?? 0),
      })),
    }
  }

  /**
   * Takes in what a sync says, messages apart. Where the answer is not whole, `revisions` wait for the catch-up.
   * @param online who is online
   */
  applySync(synced: SyncedConversation, online: ReadonlySet<string>): void {
    // A picture that was taken after the answer was made has them all as they are.
    const isNewer = synced.rev >= this.#pictured
    for (const { id, lastReadSeq, joinedSeq } of synced.members) {
      if (isNewer || this.#knows(id)) this.mark(id, lastReadSeq, joinedSeq)
    }
    this.#told = this.#told.filter(({ rev }) => rev > synced.rev)
    if (isNewer) {
      for (const id of synced.gone) this.timeline.unmark(id)
      const { name, type, participantCount, createdBy, createdAt } = synced
      const participants = mergeMembers(this.#info.participants, synced, online, this.#options.userId())
      this.#update({ name, type, participantCount, createdBy, createdAt, participants })
      this.#tellAgain()
    }
    this.#markAhead(synced.rev)
    const lastReadSeq = Math.max(this.#info.lastReadSeq, synced.lastReadSeq)
    const lastSeq = Math.max(this.#info.lastSeq, synced.lastSeq)
    this.#update({ lastReadSeq, lastSeq, rev: Math.max(this.#info.rev, synced.rev) })
    this.sequence.expect(synced.lastSeq)
  }

  #update(change: Partial<Conversation>): void {
    const before = this.#info
    const info = { ...before, ...change }
    info.unreadCount = Math.max(0, info.lastSeq - info.lastReadSeq)
    info.rev = Math.max(info.rev, this.revisions.upTo)
    this.#info = info
    this.#options.onInfo()
    const { participants, participantCount } = info
    const same = participants === before.participants || areSame(participants, before.participants)
    if (!same || participantCount !== before.participantCount) {
      this.#options.onPeople(Math.min(participantCount, before.participantCount))
    }
  }
}
