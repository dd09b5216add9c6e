import { type Database, listContacts, listMemberships, type MembershipRow } from '@parley/db'
import { LIMITS } from '@parley/protocol'
import { BatchLoader } from './batch-loader.ts'

/** Users per statement. */
const BATCH = 500
/** Pause between two lookups of contacts, in milliseconds: presence events may be that much later. */
const CONTACTS_LINGER_MS = 250

/** A conversation that a user is in, and its last seq at the time of the lookup. */
export interface MemberOf {
  conversationId: string
  lastSeq: number
  /** Whether its members see each other's presence: not in large groups. */
  showsPresence: boolean
}

/** Looks up, in batches, the conversations and contacts of users who connect and disconnect. */
export class Membership {
  readonly #conversations: BatchLoader<string, MemberOf[]>
  readonly #contacts: BatchLoader<string, string[]>

  constructor({ pool }: Database) {
    this.#conversations = new BatchLoader(async (userIds) => {
      const rows = await listMemberships(pool, userIds)
      return new Map(rows.map((row) => [row.user_id, membershipsOf(row)]))
    }, BATCH)
    this.#contacts = new BatchLoader(
      async (userIds) => {
        const rows = await listContacts(pool, userIds, LIMITS.presenceGroupSize)
        return new Map(rows.map((row) => [row.user_id, row.contact_ids]))
      },
      BATCH,
      () => CONTACTS_LINGER_MS,
    )
  }

  /** Returns all conversations that a user is in. */
  async conversationsOf(userId: string): Promise<readonly MemberOf[]> {
    return (await this.#conversations.load(userId)) ?? []
  }

  /** Returns the ids of the users with whom a user mutually shares presence. */
  async contactsOf(userId: string): Promise<readonly string[]> {
    return (await this.#contacts.load(userId)) ?? []
  }
}

function membershipsOf({ conversation_ids, last_seqs, participant_counts }: MembershipRow): MemberOf[] {
  return conversation_ids.map((conversationId, index) => ({
    conversationId,
    lastSeq: last_seqs[index] ?? 0,
    showsPresence: (participant_counts[index] ?? Number.POSITIVE_INFINITY) <= LIMITS.presenceGroupSize,
  }))
}
