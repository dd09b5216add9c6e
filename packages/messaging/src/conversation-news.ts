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

/** What a change left behind: the SYSTEM message that tells of it and the counters after it. */
export interface Change {
  message: Message
  update: ServerEvents['conversationUpdated']
}

/** Those whom a message tells to have left, but for whoever has come back since. */
export async function goneSince(db: Database, message: Message): Promise<string[]> {
  const left = leavingIn(message)
  if (left.length === 0) return []
  const back = new Set((await membersAmong(db.pool, message.conversationId, left)).map(({ id }) => id))
  return left.filter((userId) => !back.has(userId))
}

/** The last rev that a change took: who leaves does so after the message that tells of it, all else comes before its own. */
function lastRevOf(message: Message): number {
  return message.rev + leavingIn(message).length
}

/**
 * Tells people of changes to a conversation, and the gateways whose sockets enter or leave it. Everything here resolves to
 * whether Redis took all of it, and never rejects: what was not taken is told again by a worker, from the outbox.
 */
export class ConversationNews {
  readonly #options: ConversationNewsOptions

  constructor(options: ConversationNewsOptions) {
    this.#options = options
  }

  /** That a conversation was created: its people's open sockets enter it. */
  created(conversationId: string): Promise<boolean> {
    return this.#whole(async () => {
      // Before its people are looked up: who leaves after that leaves after this seq.
      const counters = await readCounters(this.#options.db.pool, conversationId)
      return counters === undefined ? [] : [this.#introduce(conversationId, null, counters.last_seq)]
    })
  }

  /** Once it has resolved, what is stored from then on reaches none of those who were taken out. */
  changed({ message, update }: Change): Promise<boolean> {
    const { events } = this.#options
    const { conversationId, added, removed } = update
    return this.#whole(async () => [
      ...removed.map((userId) => events.leave(userId, message.seq, update)),
      events.message(message, removed),
      events.toConversation(conversationId, 'conversationUpdated', update),
      this.#introduce(conversationId, added, message.seq),
    ])
  }

  /**
   * Tells of a change anew, long after it perhaps: whoever has come back or gone again since then is left where they are. It
   * bears the rev that it took: of a later one nobody would learn what took that.
   */
  changedBefore(message: Message): Promise<boolean> {
    const { conversationId, system } = message
    return this.#whole(async () => {
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
   * Brings the open sockets of people, or of everybody, into a conversation that they were put into.
   * @param lastSeq the messages that it had then
   */
  #introduce(conversationId: string, userIds: readonly string[] | null, lastSeq: number): Promise<boolean> {
    return this.#whole(async () => {
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

  async #whole(tell: () => Promise<Promise<boolean>[]>): Promise<boolean> {
    try {
      return !(await Promise.all(await tell())).includes(false)
    } catch (error) {
      this.#options.onError(error)
      return false
    }
  }
}

/** The others first, oneself last: also where one is not among those that are listed. */
function shownTo(member: ParticipantRow, { participants }: Conversation): Participant[] {
  const others = participants.filter(({ id }) => id !== member.id).slice(0, LIMITS.listedParticipants - 1)
  const own = participants.find(({ id }) => id === member.id)
  // Where not all are listed nobody's presence is shown.
  return [...others, own ?? presentParticipant(member, null, new Date())]
}
