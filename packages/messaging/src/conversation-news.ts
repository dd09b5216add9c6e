import { type Database, membersAmong, type ParticipantRow, readCounters } from '@parley/db'
import { type Conversation, LIMITS, type Message, type Participant, type ServerEvents } from '@parley/protocol'
import type { ConversationReader } from './conversation-reader.ts'
import type { Events } from './ports.ts'
import { presentParticipant } from './present.ts'
import { leavingIn } from './system-messages.ts'

export interface ConversationNewsOptions {
  db: Database
  reader: ConversationReader
  events: Events
  onError: (error: unknown) => void
}

/** The result of a change: its SYSTEM message and the conversation's state after it. */
export interface Change {
  message: Message
  update: ServerEvents['conversationUpdated']
}

/** Returns the ids of the users who left according to a message, except those who have rejoined since. */
export async function goneSince(db: Database, message: Message): Promise<string[]> {
  const left = leavingIn(message)
  if (left.length === 0) return []
  const back = new Set((await membersAmong(db.pool, message.conversationId, left)).map(({ id }) => id))
  return left.filter((userId) => !back.has(userId))
}

/** The last rev that a change took. A removal takes one after its message; any other change takes one before it. */
function lastRevOf(message: Message): number {
  return message.rev + leavingIn(message).length
}

/**
 * Publishes changes to a conversation, to its members and to the gateways whose sockets enter or leave it. All methods
 * resolve to whether Redis accepted everything, and never reject: a worker publishes again, from the outbox, what it did not.
 */
export class ConversationNews {
  readonly #options: ConversationNewsOptions

  constructor(options: ConversationNewsOptions) {
    this.#options = options
  }

  /** A conversation was created: its members' open sockets enter it. */
  created(conversationId: string): Promise<boolean> {
    return this.#all(async () => {
      // Read before the members: whoever leaves after the lookup then leaves after this seq.
      const counters = await readCounters(this.#options.db.pool, conversationId)
      return counters === undefined ? [] : [this.#introduce(conversationId, null, counters.last_seq)]
    })
  }

  /** Once this has resolved, messages stored from then on do not reach the removed users. */
  changed({ message, update }: Change): Promise<boolean> {
    const { events } = this.#options
    const { conversationId, added, removed } = update
    return this.#all(async () => [
      ...removed.map((userId) => events.leave(userId, message.seq, update)),
      events.message(message, removed),
      events.toConversation(conversationId, 'conversationUpdated', update),
      this.#introduce(conversationId, added, message.seq),
    ])
  }

  /**
   * Publishes a change again, possibly long after it: users who have rejoined or left since are not affected. The update
   * carries the rev of the change itself; with a later one, clients would never learn what that rev stood for.
   */
  changedBefore(message: Message): Promise<boolean> {
    const { conversationId, system } = message
    return this.#all(async () => {
      const counters = await readCounters(this.#options.db.pool, conversationId)
      if (counters === undefined) return []
      const removed = await goneSince(this.#options.db, message)
      const named = system?.event === 'participantsAdded' ? system.userIds : []
      const added = (await this.#membersAmong(conversationId, named)).map(({ id }) => id)
      const { name, participant_count: participantCount } = counters
      const rev = lastRevOf(message)
      return [this.changed({ message, update: { conversationId, rev, name, added, removed, participantCount } })]
    })
  }

  /**
   * Has the open sockets of new members enter a conversation.
   * @param userIds the new members; null for all
   * @param lastSeq the conversation's last seq when they were added
   */
  #introduce(conversationId: string, userIds: readonly string[] | null, lastSeq: number): Promise<boolean> {
    return this.#all(async () => {
      const members = userIds?.length === 0 ? [] : await this.#membersAmong(conversationId, userIds)
      const [first] = members
      if (first === undefined) return []
      const { reader, events } = this.#options
      const seen = await reader.get(conversationId, first.id, LIMITS.listedParticipants)
      return members.map((member) => {
        const { id: userId, last_read_seq: lastReadSeq } = member
        const unreadCount = seen.lastSeq - lastReadSeq
        return events.join(userId, lastSeq, { ...seen, participants: shownTo(member, seen), lastReadSeq, unreadCount })
      })
    })
  }

  #membersAmong(conversationId: string, userIds: readonly string[] | null) {
    return membersAmong(this.#options.db.pool, conversationId, userIds)
  }

  async #all(publish: () => Promise<Promise<boolean>[]>): Promise<boolean> {
    try {
      return !(await Promise.all(await publish())).includes(false)
    } catch (error) {
      this.#options.onError(error)
      return false
    }
  }
}

/** The participants as a member sees them: the others first, the member last, even if they are not among those listed. */
function shownTo(member: ParticipantRow, { participants }: Conversation): Participant[] {
  const others = participants.filter(({ id }) => id !== member.id).slice(0, LIMITS.listedParticipants - 1)
  const own = participants.find(({ id }) => id === member.id)
  // If not everybody is listed, the group is too large for presence to be shown.
  return [...others, own ?? presentParticipant(member, null, new Date())]
}
