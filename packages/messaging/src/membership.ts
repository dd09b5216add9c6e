import { type Database, listContacts, listMemberships, type MembershipRow } from '@parley/db'
import { LIMITS } from '@parley/protocol'
import { BatchLoader } from './batch-loader.ts'

/** People in one statement. */
const BATCH = 500
/** Between two lookups of contacts, in milliseconds: nobody minds hearing so much later that somebody came. */
const CONTACTS_LINGER_MS = 250

/** A conversation that a person is in, and how many messages it had when it was looked up. */
export interface MemberOf {
  conversationId: string
  lastSeq: number
  /** Whether its people are shown each other's presence: not in large groups. */
  showsPresence: boolean
}

/** Who shares conversations with whom, for those who connect and go; asked in batches. */
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

  /** All conversations that a person is in. */
  async conversationsOf(userId: string): Promise<readonly MemberOf[]> {
    return (await this.#conversations.load(userId)) ?? []
  }

  /** Ids of those to whom a person's presence is shown, and who are shown to them. */
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
