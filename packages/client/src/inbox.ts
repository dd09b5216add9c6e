import type { Conversation, Message, ServerEvents, SyncedConversation } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { conversationOf } from './members.ts'
import { Orphans } from './orphans.ts'
import { Room } from './room.ts'
import { LazyStore, Stores } from './store.ts'
import type { TimelineSnapshot } from './timeline.ts'

/**
 * Where a server was set back to an earlier state, the newest so many messages of a conversation are looked through for those that
 * were written since: their places may be of others that the client had.
 */
const LOOKED_BACK = LIMITS.pageSize
const NO_MARKS: ReadonlyMap<string, number> = new Map()
const NO_TIMELINE: TimelineSnapshot = { messages: [], status: 'idle', hasOlder: false, hasNewer: false }

export interface InboxOptions {
  /** The client's own person; '' until there has been a token. */
  userId: () => string
  online: () => ReadonlySet<string>
  windowSize: number
  /** Somebody begins to look at the messages of a conversation, which need not be there yet. */
  onWatched: (id: string) => void
  onMessage: (message: Message) => void
  onJoined: (conversation: Conversation) => void
  onLeft: (conversationId: string) => void
  /** Others are in a conversation than before, or one is in it no longer. @param fewest people that it had, before or after */
  onPeople: (fewest: number) => void
  /** Messages are missing between others. */
  onGap: (room: Room) => void
  /** Something is not known that a sync will tell. */
  onHole: () => void
}

/** All conversations of the person, and where events find their way to them. */
export class Inbox {
  readonly #options: InboxOptions
  readonly #rooms = new Map<string, Room>()
  /** The rev as of which the person left a conversation, since the last sync began. */
  readonly #left = new Map<string, number>()
  readonly #orphans = new Orphans()
  /** When a conversation was last taken in from a picture: what changed until one was in its room has passed by unheard. */
  #picturedAt: number | undefined
  #syncBeganAt = 0
  /** A first sync has told of all conversations: one that comes up now is new. */
  complete = false

  /** The messages of each conversation; its store is there before the conversation is. */
  readonly timelines: Stores<TimelineSnapshot>
  /** How far each person has read, by conversation. */
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

  /** Takes in a message from anywhere and tells of those that can be delivered now. */
  accept(room: Room, message: Message): void {
    for (const ready of room.accept(message)) if (ready.createdAt > room.deliveredUntil) this.#options.onMessage(ready)
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
      // Put back since then, perhaps: a sync knows.
      else this.#options.onHole()
      return
    }
    room.onUpdated(update)
    if (room.revisions.hasHole) this.#options.onHole()
  }

  /**
   * A conversation as the server shows it. One that is new after the first sync was just joined: its news are delivered.
   */
  put(conversation: Conversation): Conversation {
    const known = this.#rooms.get(conversation.id)
    if (known === undefined) return this.#join(conversation)
    known.refresh(conversation)
    this.#seekMissing(known)
    return known.info
  }

  /** Messages are fetched by their seq, unless a catch-up does so already; of any other change only a sync tells. */
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
    this.#picturedAt = performance.now()
    this.#options.onHole()
    return room.info
  }

  /**
   * What a sync says of one conversation. Answers with the room where more has to be fetched.
   * @param askedRev the rev that the client had named
   */
  applySync(synced: SyncedConversation, askedRev: number | undefined): Room | undefined {
    const { userId, online } = this.#options
    // A server that was set back to an earlier state counts anew.
    const lost = askedRev !== undefined && askedRev > synced.rev ? this.#rooms.get(synced.id) : undefined
    if (lost !== undefined) this.#rooms.delete(synced.id)
    const known = this.#rooms.get(synced.id)
    if (known === undefined && this.#isFromBefore(synced)) return undefined
    const delivered = Math.max(
      this.#deliveryAfter(synced.id, synced.joinedSeq, synced.lastSeq),
      Math.min(lost?.sequence.delivered ?? 0, synced.lastSeq) - LOOKED_BACK,
    )
    const room = known ?? this.#add(conversationOf(synced, online(), userId()), delivered, lost?.deliveredAt)
    room.catchingUpTo = synced.rev
    room.applySync(synced, online())
    for (const message of synced.messages) this.accept(room, message)
    for (const message of this.#orphans.take(room.id)) this.accept(room, message)
    if (room.sequence.hasGap || (synced.tooLong && room.timeline.status !== 'idle')) return room
    this.caughtUp(room)
    return undefined
  }

  /** Nothing is missing up to where the catch-up was to go. */
  caughtUp(room: Room): void {
    if (room.catchingUpTo !== undefined) room.revisions.synced(room.catchingUpTo)
    room.catchingUpTo = undefined
    if (room.revisions.hasHole) this.#options.onHole()
  }

  /** @param rev of the change that took the person out, or the newest before it that is known */
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

  /** From now on the server is asked: what it answers is of after what one left. */
  beginSync(): void {
    this.#left.clear()
    this.#syncBeganAt = performance.now()
  }

  /** A sync is through. What has waited for its conversation for long is of one that the person is not in. */
  finishSync(now = performance.now()): void {
    this.complete = true
    this.#orphans.dropOld(now)
    if (this.#picturedAt !== undefined && this.#picturedAt <= this.#syncBeganAt) this.#picturedAt = undefined
  }

  /** Whether it was made before the person left the conversation. */
  #isFromBefore({ id, rev }: Pick<Conversation, 'id' | 'rev'>): boolean {
    return rev <= (this.#left.get(id) ?? -1)
  }

  /** Since when something has been missing that only a sync can bring, by `performance.now()`. */
  get holeSince(): number | undefined {
    let since = this.#orphans.since ?? this.#picturedAt
    for (const { revisions } of this.#rooms.values()) {
      const { holeSince } = revisions
      if (holeSince !== undefined && (since === undefined || holeSince < since)) since = holeSince
    }
    return since
  }

  setOnline(userId: string, isOnline: boolean, lastSeen: string): void {
    for (const room of this.#rooms.values()) room.setOnline(userId, isOnline, lastSeen)
  }

  /** These people are online, and nobody else. */
  setAllOnline(online: ReadonlySet<string>): void {
    for (const room of this.#rooms.values()) room.setAllOnline(online)
  }

  hasPerson(userId: string): boolean {
    for (const { info } of this.#rooms.values()) if (info.participants.some(({ id }) => id === userId)) return true
    return false
  }

  /** The first sync tells of what there was; what has come as an event by then, or was just sent, is delivered all the same. */
  #deliveryAfter(id: string, joinedSeq: number, lastSeq: number): number {
    if (this.complete) return Math.min(joinedSeq, lastSeq)
    return Math.min(lastSeq, ...this.#orphans.of(id).map(({ seq }) => seq - 1))
  }

  /** @param deliveredUntil messages that were stored by then have been delivered, whatever their seq */
  #add(conversation: Conversation, delivered: number, deliveredUntil = ''): Room {
    const { id } = conversation
    const room = new Room({
      conversation,
      delivered,
      deliveredUntil,
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
      this.#options.onJoined(conversation)
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
