import type { Conversation, Message, ServerEvents, SyncedConversation } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { conversationOf } from './members.ts'
import { Orphans } from './orphans.ts'
import { type LostRoom, Room } from './room.ts'
import { LazyStore, Stores } from './store.ts'
import type { TimelineSnapshot } from './timeline.ts'

/**
 * If the server has lost messages and does not say which, this many of a conversation's newest messages are checked for ones
 * written since: they may have reused the seqs of messages that the client has already delivered.
 */
const RESTORE_LOOKBACK = LIMITS.pageSize
const NO_MARKS: ReadonlyMap<string, number> = new Map()
const NO_TIMELINE: TimelineSnapshot = { messages: [], status: 'idle', hasOlder: false, hasNewer: false }

export interface InboxOptions {
  /** Returns the client's user id; '' until the first token. */
  userId: () => string
  online: () => ReadonlySet<string>
  windowSize: number
  /** A conversation's timeline has got its first subscriber. The conversation need not be known yet. */
  onWatched: (id: string) => void
  onMessage: (message: Message) => void
  onJoined: (conversation: Conversation) => void
  onLeft: (conversationId: string) => void
  /** The server lost a part of a conversation: what was known of it is discarded, its timeline too. */
  onLost: () => void
  /** The members of a conversation changed, or the user left it. @param fewest the lower of its sizes before and after */
  onPeople: (fewest: number) => void
  /** Messages are missing in the sequence. */
  onGap: (room: Room) => void
  /** A change is missing that only a sync can bring. */
  onHole: () => void
}

/** All conversations of the user. Routes events to them. */
export class Inbox {
  readonly #options: InboxOptions
  readonly #rooms = new Map<string, Room>()
  /** Conversations the user left since the last sync began: the rev as of which they left, by id. */
  readonly #left = new Map<string, number>()
  readonly #orphans = new Orphans()
  /** When a conversation was last added from a snapshot: changes between that and joining its room were not received. */
  #snapshotAt: number | undefined
  #syncBeganAt = 0
  /** The first sync has listed all conversations: one that appears now is new. */
  complete = false

  /** The messages of each conversation; a store may exist before its conversation is known. */
  readonly timelines: Stores<TimelineSnapshot>
  /** How far each member has read, by conversation. */
  readonly marks = new Stores((id) => this.#rooms.get(id)?.marks() ?? NO_MARKS)
  readonly conversations = new LazyStore<readonly Conversation[]>(() => this.#sorted())
  readonly unread = new LazyStore<number>(() => {
    let sum = 0
    for (const { info } of this.#rooms.values()) sum += info.unreadCount
    return sum
  })

  constructor(options: InboxOptions) {
    this.#options = options
    this.timelines = new Stores((id) => this.#rooms.get(id)?.timeline.snapshot() ?? NO_TIMELINE, options.onWatched)
  }

  get(id: string): Room | undefined {
    return this.#rooms.get(id)
  }

  rooms(): Iterable<Room> {
    return this.#rooms.values()
  }

  onMessage(message: Message): void {
    const room = this.#rooms.get(message.conversationId)
    if (room === undefined) {
      this.#orphans.add(message)
      if (this.complete) this.#options.onHole()
      return
    }
    this.accept(room, message)
  }

  /** Accepts a message from any source and emits those that can be delivered now. */
  accept(room: Room, message: Message): void {
    for (const ready of room.accept(message)) this.#options.onMessage(ready)
    this.#seekMissing(room)
  }

  onRead(receipt: ServerEvents['messageRead']): void {
    const room = this.#rooms.get(receipt.conversationId)
    room?.onRead(receipt)
    if (room?.revisions.hasHole) this.#options.onHole()
  }

  onUpdated(update: ServerEvents['conversationUpdated']): void {
    const room = this.#rooms.get(update.conversationId)
    if (room === undefined) return
    if (update.rev > room.asOf && update.removed.includes(this.#options.userId())) {
      if (update.rev >= room.revisions.newest) this.leave(room.id, update.rev)
      // The user may have been added again since: a sync will tell.
      else this.#options.onHole()
      return
    }
    room.onUpdated(update)
    if (room.revisions.hasHole) this.#options.onHole()
  }

  /**
   * Adds or refreshes a conversation from a snapshot of the server. One that is new after the first sync has just been
   * joined: its messages since then are delivered.
   */
  put(conversation: Conversation): Conversation {
    const known = this.#rooms.get(conversation.id)
    if (known === undefined) return this.#join(conversation)
    known.refresh(conversation)
    this.#seekMissing(known)
    return known.info
  }

  /** Missing messages are fetched by seq, unless a catch-up does so already; other changes come by a sync only. */
  #seekMissing(room: Room): void {
    if (room.sequence.hasGap && room.catchingUpTo === undefined) this.#options.onGap(room)
    if (room.revisions.hasHole) this.#options.onHole()
  }

  #join(conversation: Conversation): Conversation {
    if (this.#isFromBefore(conversation)) return conversation
    const { id, lastSeq, lastReadSeq, lastMessage } = conversation
    const room = this.#add(conversation, this.#deliveryAfter(id, lastReadSeq, lastSeq))
    room.sequence.expect(lastSeq)
    if (lastMessage !== null) this.accept(room, lastMessage)
    for (const message of this.#orphans.take(room.id)) this.accept(room, message)
    this.#snapshotAt = performance.now()
    this.#options.onHole()
    return room.info
  }

  /**
   * Applies what a sync says about one conversation. Returns its room if more has to be fetched.
   * @param askedRev the rev that the client sent for it
   * @param epoch the history that the answer belongs to, if the server names it
   */
  applySync(synced: SyncedConversation, askedRev: number | undefined, epoch?: string): Room | undefined {
    const { online } = this.#options
    const lost = this.#lostRoom(synced, askedRev, epoch)
    if (lost !== undefined) this.#rooms.delete(synced.id)
    const known = this.#rooms.get(synced.id)
    if (known === undefined && this.#isFromBefore(synced)) return undefined
    const room = known ?? this.#begin(synced, lost, epoch)
    room.catchingUpTo = synced.rev
    room.applySync(synced, online())
    for (const message of synced.messages) this.accept(room, message)
    for (const message of this.#orphans.take(room.id)) this.accept(room, message)
    if (room.sequence.hasGap || (synced.tooLong && room.timeline.status !== 'idle')) return room
    this.caughtUp(room)
    return undefined
  }

  /** Returns the room that no longer counts because the server lost a part of the conversation and counts anew. */
  #lostRoom(synced: SyncedConversation, askedRev: number | undefined, epoch: string | undefined): Room | undefined {
    const { id, rev, lostAfterSeq } = synced
    // An older server does not say so, but its rev is lower than ours.
    const isLost = lostAfterSeq !== undefined || (askedRev !== undefined && askedRev > rev)
    const room = isLost ? this.#rooms.get(id) : undefined
    // An interrupted sync has started it over already.
    return epoch !== undefined && room?.epoch === epoch ? undefined : room
  }

  /** Adds a conversation that is new, or starts over one of which the server lost a part. */
  #begin(synced: SyncedConversation, lost: Room | undefined, epoch: string | undefined): Room {
    const { id, joinedSeq, lastSeq, lostAfterSeq } = synced
    const conversation = conversationOf(synced, this.#options.online(), this.#options.userId())
    const after = this.#deliveryAfter(id, joinedSeq, lastSeq)
    if (lost === undefined) return this.#add(conversation, after)
    const end = Math.min(lost.sequence.delivered, lastSeq)
    const delivered = Math.max(after, Math.min(end, lostAfterSeq ?? end - RESTORE_LOOKBACK))
    const { deliveredAt, deliveredIds } = lost
    return this.#add(conversation, delivered, { deliveredAt, deliveredIds, byTime: lostAfterSeq == null, epoch })
  }

  /** Ends a room's catch-up: nothing is missing up to its target rev. */
  caughtUp(room: Room): void {
    if (room.catchingUpTo !== undefined) room.revisions.synced(room.catchingUpTo)
    room.catchingUpTo = undefined
    if (room.revisions.hasHole) this.#options.onHole()
  }

  /** Removes a conversation. @param rev of the change that removed the user, or the newest one known before it */
  leave(id: string, rev: number): void {
    const room = this.#rooms.get(id)
    if (room === undefined) return
    this.#rooms.delete(id)
    this.#left.set(id, rev)
    this.#changed(id)
    this.timelines.invalidate(id)
    this.#options.onLeft(id)
    this.#options.onPeople(room.info.participantCount)
  }

  /** A sync begins: its answers are newer than any departure recorded so far. */
  beginSync(): void {
    this.#left.clear()
    this.#syncBeganAt = performance.now()
  }

  /** A sync is complete: messages that have waited long for their conversation are of one that the user is not in. */
  finishSync(now = performance.now()): void {
    this.complete = true
    this.#orphans.dropOld(now)
    if (this.#snapshotAt !== undefined && this.#snapshotAt <= this.#syncBeganAt) this.#snapshotAt = undefined
  }

  /** Whether a snapshot is from before the user left the conversation. */
  #isFromBefore({ id, rev }: Pick<Conversation, 'id' | 'rev'>): boolean {
    return rev <= (this.#left.get(id) ?? -1)
  }

  /** Since when a change has been missing that only a sync can bring, by `performance.now()`. */
  get holeSince(): number | undefined {
    let since = this.#orphans.since ?? this.#snapshotAt
    for (const { revisions } of this.#rooms.values()) {
      const { holeSince } = revisions
      if (holeSince !== undefined && (since === undefined || holeSince < since)) since = holeSince
    }
    return since
  }

  setOnline(userId: string, isOnline: boolean, lastSeen: string): void {
    for (const room of this.#rooms.values()) room.setOnline(userId, isOnline, lastSeen)
  }

  /** Exactly these users are online. */
  setAllOnline(online: ReadonlySet<string>): void {
    for (const room of this.#rooms.values()) room.setAllOnline(online)
  }

  hasPerson(userId: string): boolean {
    for (const { info } of this.#rooms.values()) if (info.participants.some(({ id }) => id === userId)) return true
    return false
  }

  /**
   * Returns the seq after which delivery begins. Before the first sync is complete, old messages are not delivered, but
   * those that have come as an event meanwhile, or were just sent, still are.
   */
  #deliveryAfter(id: string, joinedSeq: number, lastSeq: number): number {
    if (this.complete) return Math.min(joinedSeq, lastSeq)
    return Math.min(lastSeq, ...this.#orphans.of(id).map(({ seq }) => seq - 1))
  }

  /** @param lost what is kept of a conversation that starts over */
  #add(conversation: Conversation, delivered: number, lost?: LostRoom): Room {
    const { id } = conversation
    const room = new Room({
      conversation,
      delivered,
      ...lost,
      userId: this.#options.userId,
      windowSize: this.#options.windowSize,
      onInfo: () => this.#changed(id),
      onPeople: (fewest) => this.complete && this.#options.onPeople(fewest),
      onTimeline: () => this.timelines.invalidate(id),
    })
    this.#rooms.set(id, room)
    this.#left.delete(id)
    this.#changed(id)
    this.timelines.invalidate(id)
    if (this.complete) {
      if (lost === undefined) this.#options.onJoined(conversation)
      else this.#options.onLost()
      this.#options.onPeople(conversation.participantCount)
    }
    return room
  }

  #changed(id: string): void {
    this.conversations.invalidate()
    this.unread.invalidate()
    this.marks.invalidate(id)
  }

  #sorted(): readonly Conversation[] {
    const all = Array.from(this.#rooms.values(), ({ info }) => info)
    return all.sort((a, b) =>
      a.updatedAt === b.updatedAt ? (a.id < b.id ? 1 : -1) : a.updatedAt < b.updatedAt ? 1 : -1,
    )
  }
}
