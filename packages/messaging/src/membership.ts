import { type Database, listContacts, listMemberships } from '@parley/db'
import { LIMITS } from '@parley/protocol'
import { BatchLoader } from './batch-loader.ts'

/** Who shares conversations with whom, for those who connect and go; asked in batches. */
export class Membership {
  readonly #conversations: BatchLoader<string, string[]>
  readonly #contacts: BatchLoader<string, string[]>

  constructor({ pool }: Database) {
    this.#conversations = new BatchLoader(async (userIds) => {
      const rows = await listMemberships(pool, userIds)
      return collect(
        rows,
        (row) => row.user_id,
        (row) => row.conversation_id,
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

  /** Ids of all conversations that a person is in. */
  async conversationsOf(userId: string): Promise<readonly string[]> {
    return (await this.#conversations.load(userId)) ?? []
  }

  /** Ids of those to whom a person's presence is shown, and who are shown to them. */
  async contactsOf(userId: string): Promise<readonly string[]> {
    return (await this.#contacts.load(userId)) ?? []
  }
}

function collect<Row>(rows: Row[], key: (row: Row) => string, value: (row: Row) => string): Map<string, string[]> {
  const lists = new Map<string, string[]>()
  for (const row of rows) {
    const list = lists.get(key(row))
    if (list === undefined) lists.set(key(row), [value(row)])
    else list.push(value(row))
  }
  return lists
}
