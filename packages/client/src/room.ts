import type { Conversation, Message, ServerEvents, SyncedConversation } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { areSame, mergeMembers } from './members.ts'
import { Revisions } from './revisions.ts'
import { Sequence } from './sequence.ts'
import { Timeline } from './timeline.ts'

/** Updates kept until the next sync, which brings any that are dropped here. */
const UPDATES_MAX = 100
/** Delivered messages whose ids are remembered, in case they come again under another seq. */
const DELIVERED_KEPT = 200

/** What is kept when a conversation starts over because the server lost a part of it. */
export interface LostRoom {
  /** `createdAt` of the newest delivered message; '' if not known. */
  deliveredAt: string
  /** Messages stored by then have been delivered already, whatever their seq. */
  byTime: boolean
  /** Ids of delivered messages, the newest last. */
  deliveredIds: Set<string>
  /** The history of the database in which it starts over, if the server names it. */
  epoch: string | undefined
}

export interface RoomOptions extends Partial<LostRoom> {
  conversation: Conversation
  /** Returns the client's user id; '' until the first token. */
  userId: () => string
  /** Delivery begins after this seq. */
  delivered: number
  windowSize: number
  /** Called when `info` has changed. */
  onInfo: () => void
  /** Called when its members have changed. @param fewest the lower of its sizes before and after */
  onPeople: (fewest: number) => void
  onTimeline: () => void
}

/** The client's state of one conversation. Events may come in any order and more than once. */
export class Room {
  readonly timeline: Timeline
  readonly revisions: Revisions
  readonly sequence: Sequence
  readonly deliveredIds: Set<string>
  readonly epoch: string | undefined
  /** `createdAt` of the newest delivered message; '' if not known. */
  deliveredAt: string
  readonly #options: RoomOptions
  /** Messages stored by then are not new. */
  readonly #deliveredUntil: string
  /** The target rev of a catch-up in progress. */
  catchingUpTo: number | undefined
  /** The rev of the newest snapshot that was applied. */
  #snapshotRev = 0
  /** Changes of its name and members since the last sync or snapshot, in rev order. */
  #updates: readonly ServerEvents['conversationUpdated'][] = []
  /** Read marks, with their rev, of users who are not among the listed participants (yet). */
  readonly #unlistedMarks = new Map<string, { seq: number; rev: number }>()
  #info: Conversation

  constructor(options: RoomOptions) {
    this.#options = options
    this.#info = options.conversation
    this.deliveredIds = options.deliveredIds ?? new Set()
    this.epoch = options.epoch
    this.deliveredAt = options.delivered >= this.#info.lastSeq ? this.#info.updatedAt : (options.deliveredAt ?? '')
    this.#deliveredUntil = options.byTime ? (options.deliveredAt ?? '') : ''
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

  /** Its name and members are as of this rev, or a later one. */
  get asOf(): number {
    return Math.max(this.revisions.upTo, this.#snapshotRev)
  }

  /** Read marks (seq by user id) of the listed participants. */
  marks(): ReadonlyMap<string, number> {
    return new Map(this.#info.participants.map(({ id, lastReadSeq }) => [id, lastReadSeq]))
  }

  /** Accepts a message, new or not. Returns those to be delivered now, in order. */
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
    return ready.filter((next) => this.#isNew(next))
  }

  /** Records the message as delivered. @returns false if it was delivered before the server lost a part of the conversation */
  #isNew({ id, createdAt }: Message): boolean {
    const { deliveredIds } = this
    if (deliveredIds.has(id) || createdAt <= this.#deliveredUntil) return false
    deliveredIds.add(id)
    const [oldest] = deliveredIds
    if (oldest !== undefined && deliveredIds.size > DELIVERED_KEPT) deliveredIds.delete(oldest)
    return true
  }

  #deliver(message: Message): void {
    this.deliveredAt = message.createdAt
    this.timeline.deliver(message)
    this.#newest(message)
    // The server moves the sender's mark with a message, except for messages that a service wrote on their behalf.
    if (message.system?.byService !== true) this.#read(message.senderId, message)
  }

  #newest(message: Message): void {
    if (message.seq < (this.#info.lastMessage?.seq ?? 0)) return
    const lastSeq = Math.max(this.#info.lastSeq, message.seq)
    this.#update({ lastMessage: message, lastSeq, updatedAt: message.createdAt })
  }

  /**
   * Records that a user has read up to a seq. Marks never go back.
   * @param joinedSeq the conversation's last seq when the user joined, if known
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
    // The user has left and rejoined.
    if (person !== undefined && since > person.lastReadSeq) this.timeline.unmark(userId)
    const from = Math.max(person?.lastReadSeq ?? 0, since)
    if (seq > from) this.timeline.mark(userId, from, seq)
  }

  #knows(userId: string): boolean {
    return this.#info.participants.some(({ id }) => id === userId)
  }

  /**
   * From which seq an unlisted user's mark applies. Large groups do not list everybody. Elsewhere an unlisted user has only
   * just joined or left, and a sync will tell what they have read.
   */
  #strangersFrom(seq: number): number {
    return this.#info.participantCount > LIMITS.listedParticipants ? 0 : seq
  }

  onRead(receipt: ServerEvents['messageRead']): void {
    this.revisions.saw(receipt.rev)
    this.#read(receipt.userId, receipt)
  }

  /** Applies a mark from an event. It may come before the snapshot that lists its user, so it is kept until then. */
  #read(userId: string, { seq, rev }: { seq: number; rev: number }): void {
    const known = this.#unlistedMarks.get(userId)?.seq ?? 0
    if (!this.#knows(userId) && seq > known) this.#unlistedMarks.set(userId, { seq, rev })
    this.mark(userId, seq)
  }

  /** Applies the kept marks of users who are listed now. @param asOf rev of the snapshot, which includes older marks */
  #applyUnlistedMarks(asOf: number): void {
    for (const [userId, { seq, rev }] of this.#unlistedMarks) {
      if (this.#knows(userId)) this.mark(userId, seq)
      else if (rev > asOf) continue
      this.#unlistedMarks.delete(userId)
    }
  }

  /** The name or the members changed. Together with its SYSTEM message, a change takes two revs. */
  onUpdated(update: ServerEvents['conversationUpdated']): void {
    if (update.rev <= this.revisions.upTo) return
    this.revisions.expect(update.rev)
    if (this.#isComplete(update)) {
      this.revisions.saw(update.rev - 1)
      this.revisions.saw(update.rev)
    }
    if (update.rev <= this.#snapshotRev || this.#updates.some(({ rev }) => rev === update.rev)) return
    this.#updates = [...this.#updates, update].sort((a, b) => a.rev - b.rev).slice(-UPDATES_MAX)
    this.#reapplyUpdates()
  }

  /**
   * Whether an update says everything about the change. If not, the revs keep a hole until a sync says who the new members
   * are and who owns the group now.
   */
  #isComplete({ rev, added, removed }: ServerEvents['conversationUpdated']): boolean {
    if (rev <= this.#snapshotRev) return true
    const { participants } = this.#info
    return added.length === 0 && removed.every((id) => participants.some((p) => p.id === id && p.role === 'MEMBER'))
  }

  /** Applies the kept updates on top of a state that may be older than they are. */
  #reapplyUpdates(): void {
    for (const { name, participantCount, removed } of this.#updates) {
      const participants = this.#info.participants.filter(({ id }) => !removed.includes(id))
      this.#update({ name, participantCount, participants })
      for (const id of removed) this.timeline.unmark(id)
    }
  }

  setOnline(userId: string, isOnline: boolean, lastSeen: string | null): void {
    const index = this.#info.participants.findIndex(({ id }) => id === userId)
    const person = this.#info.participants[index]
    if (person === undefined || (person.isOnline === isOnline && (isOnline || person.lastSeen === lastSeen))) return
    this.#update({ participants: this.#info.participants.with(index, { ...person, isOnline, lastSeen }) })
  }

  /** Exactly these users are online, not counting the client's own. When the others went offline is unknown. */
  setAllOnline(online: ReadonlySet<string>): void {
    const now = new Date().toISOString()
    for (const { id, isOnline } of this.#info.participants) {
      const is = online.has(id)
      if (isOnline !== is && id !== this.#options.userId()) this.setOnline(id, is, is ? now : null)
    }
  }

  /** Applies a snapshot from the server (an HTTP response, an event), unless it is older than what is known. */
  refresh(conversation: Conversation): void {
    if (conversation.rev < this.asOf) return
    this.#snapshotRev = conversation.rev
    this.revisions.expect(conversation.rev)
    this.#updates = this.#updates.filter(({ rev }) => rev > conversation.rev)
    // For new members it does not say at which seq they joined.
    for (const { id, lastReadSeq } of conversation.participants) if (this.#knows(id)) this.mark(id, lastReadSeq)
    this.#update({ ...conversation, ...this.#newerThan(conversation) })
    this.#reapplyUpdates()
    this.#applyUnlistedMarks(conversation.rev)
    this.sequence.expect(conversation.lastSeq)
  }

  /** Merges counters and marks with those of a snapshot: events may have brought newer ones, even past a hole in the revs. */
  #newerThan({ lastSeq, lastMessage, lastReadSeq, updatedAt, participants }: Conversation): Partial<Conversation> {
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
   * Applies what a sync says, except for its messages. `revisions` are advanced separately, once the catch-up is complete.
   * @param online ids of the online users
   */
  applySync(synced: SyncedConversation, online: ReadonlySet<string>): void {
    // If not, a later snapshot has been applied already, with all members as they are.
    const isNewer = synced.rev >= this.#snapshotRev
    for (const { id, lastReadSeq, joinedSeq } of synced.members) {
      if (isNewer || this.#knows(id)) this.mark(id, lastReadSeq, joinedSeq)
    }
    this.#updates = this.#updates.filter(({ rev }) => rev > synced.rev)
    if (isNewer) {
      for (const id of synced.gone) this.timeline.unmark(id)
      const { name, type, participantCount, createdBy, createdAt } = synced
      const participants = mergeMembers(this.#info.participants, synced, online, this.#options.userId())
      this.#update({ name, type, participantCount, createdBy, createdAt, participants })
      this.#reapplyUpdates()
    }
    this.#applyUnlistedMarks(synced.rev)
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
