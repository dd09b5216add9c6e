import { randomUUID, randomUUIDv7 } from 'node:crypto'
import { appendMessages, type Database, type NewMessage, openDatabase, type Queryable } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'

export interface StoredMessage {
  conversation_id: string
  seq: number
  rev: number
  id: string
  sender_id: string
  client_message_id: string | null
  content: string
  type: string
  created_at: string
}

/** A migrated database with users and conversations, and the append as a gateway calls it. */
export interface AppendBed extends AsyncDisposable {
  readonly pool: Database['pool']
  /** Returns the names of the statements that appends have sent since the last call. */
  statements(): string[]
  /** Creates conversations of these users, inserted in descending id order, so that only sorting yields id order. */
  conversations(count: number, ...userIds: string[]): Promise<string[]>
  append(batch: readonly NewMessage[], traces?: Record<string, string>): ReturnType<typeof appendMessages>
  stored(conversationId: string): Promise<StoredMessage[]>
}

/**
 * @param connections number of appends that may run concurrently
 * @param settings of the database for all connections, in the form that `ALTER DATABASE … SET` accepts
 */
export async function createAppendBed(connections = 4, settings: readonly string[] = []): Promise<AppendBed> {
  const database = await createTestDatabase()
  const name = new URL(database.url).pathname.slice(1)
  for (const setting of settings) await database.sql.query(`alter database ${name} set ${setting}`)
  const { pool, close } = openDatabase({
    url: database.url,
    max: connections,
    applicationName: 'append-test',
    connectTimeoutMs: 20_000,
  })
  const sent: string[] = []
  const recording: Queryable = {
    query: (query: unknown, ...rest: unknown[]) => {
      if (query !== null && typeof query === 'object' && 'name' in query) sent.push(String(query.name))
      return Reflect.apply(pool.query, pool, [query, ...rest])
    },
  }
  let batches = 0
  return {
    pool,
    statements: () => sent.splice(0),
    async conversations(count, ...userIds) {
      await pool.query(
        'insert into users (id, full_name, name_key) select u, u, u from unnest($1::text[]) u on conflict do nothing',
        [userIds],
      )
      const ids = Array.from({ length: count }, () => randomUUID()).sort()
      for (const id of ids.toReversed()) {
        await pool.query(
          `insert into conversations (id, type, created_by, participant_count) values ($1, 'GROUP', $2, $3)`,
          [id, userIds[0], userIds.length],
        )
        await pool.query('insert into participants (conversation_id, user_id) select $1, unnest($2::text[])', [
          id,
          userIds,
        ])
      }
      return ids
    },
    append: (batch, traces) => appendMessages(recording, batch, 'append-test', ++batches, traces),
    async stored(conversationId) {
      const { rows } = await pool.query<StoredMessage>(
        'select * from messages where conversation_id = $1 order by seq',
        [conversationId],
      )
      return rows
    },
    async [Symbol.asyncDispose]() {
      await close()
      await database[Symbol.asyncDispose]()
    },
  }
}

export function draft(conversationId: string, senderId: string, more: Partial<NewMessage> = {}): NewMessage {
  const id = randomUUIDv7()
  const usual = { clientMessageId: null, content: 'Hello', type: 'TEXT', system: null } as const
  return { id, conversationId, senderId, ...usual, attachments: [], ...more }
}
