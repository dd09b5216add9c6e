import { type Database, listContacts, listMemberships } from '@parley/db'
import { LIMITS } from '@parley/protocol'
import { BatchLoader } from './batch-loader.ts'

/** A conversation that a person is in, and how many messages it had when it was looked up. */
export interface MemberOf {
  conversationId: string
  lastSeq: number
}

/** Who shares conversations with whom, for those who connect and go; asked in batches. */
export class Membership {
  readonly #conversations: BatchLoader<string, MemberOf[]>
  readonly #contacts: BatchLoader<string, string[]>

  constructor({ pool }: Database) {
    this.#conversations = new BatchLoader(async (userIds) => {
      const rows = await listMemberships(pool, userIds)
      return collect(
        rows,
        (row) => row.user_id,
        (row) => ({ conversationId: row.conversation_id, lastSeq: row.last_seq }),
      )
    }, 500)
    this.#contacts = new BatchLoader(async (userIds) => {
      const rows = await listContacts(pool, userIds, LIMITS.presenceGroupSize)
      return collect(
        rows,
        (row) => row.user_id,
        (row) => row.contact_id,
      )
    }, 100)
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

function collect<Row, Value>(rows: Row[], key: (row: Row) => string, value: (row: Row) => Value): Map<string, Value[]> {
  const lists = new Map<string, Value[]>()
  for (const row of rows) {
    const list = lists.get(key(row))
    if (list === undefined) lists.set(key(row), [value(row)])
    else list.push(value(row))
  }
  return lists
}
