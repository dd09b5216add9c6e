import { randomUUID } from 'node:crypto'
import { type Database, openDatabase, type Queryable, transaction } from '@parley/db'
import { parse, type SearchHit, type SearchMeta, searchMessagesQuery } from '@parley/protocol'
import { createTestDatabase } from '@parley/testkit'
import { expect } from 'vitest'
import { type Indexable, indexForSearch, MessageSearch } from '../src/index.ts'

export interface Sent {
  content: string
  senderId?: string
  fileNames?: string[]
  sentAt?: string
}

/** A migrated database with messages in it and in its search index. */
export interface SearchBed extends AsyncDisposable {
  readonly db: Database
  /** Creates a conversation of these users. */
  conversation(...userIds: string[]): Promise<string>
  /** Stores messages, seconds apart if no time is given. `index: false` leaves them out of the index. */
  send(conversationId: string, messages: readonly Sent[], options?: { index?: boolean }): Promise<Indexable[]>
  search(
    userId: string,
    query: string,
    more?: Record<string, string>,
  ): Promise<{ data: SearchHit[]; meta: SearchMeta; contents: string[] }>
  /** Runs a transaction that Postgres does not abort, however long it is idle. */
  transaction<T>(work: (tx: Queryable) => Promise<T>): Promise<T>
  /** Resolves when a statement in the database waits for a lock, or `work` is done. */
  waitsOrIsDone(work: Promise<unknown>): Promise<void>
}

export async function createSearchBed(): Promise<SearchBed> {
  const database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max: 4, applicationName: 'search-test', connectTimeoutMs: 20_000 })
  const search = new MessageSearch(
    db,
    { online: async () => new Set() },
    { urlOf: (_, { id }) => `https://files/${id}` },
  )
  let clock = Date.parse('2025-12-11T10:00:00Z')
  return {
    db,
    async conversation(...userIds) {
      const id = randomUUID()
      await db.pool.query(
        `insert into users (id, full_name, name_key) select u, u, u from unnest($1::text[]) u on conflict do nothing`,
        [userIds],
      )
      await db.pool.query(
        `insert into conversations (id, type, created_by, participant_count) values ($1, 'GROUP', $2, $3)`,
        [id, userIds[0], userIds.length],
      )
      await db.pool.query(`insert into participants (conversation_id, user_id) select $1, unnest($2::text[])`, [
        id,
        userIds,
      ])
      return id
    },
    async send(conversationId, messages, { index = true } = {}) {
      if (messages.length === 0) return []
      const { rows } = await db.pool.query<{ last_seq: number; created_by: string }>(
        'update conversations set last_seq = last_seq + $2 where id = $1 returning last_seq, created_by',
        [conversationId, messages.length],
      )
      const { last_seq: last = 0, created_by: creator = '' } = rows[0] ?? {}
      const stored = messages.map((message, at) => {
        clock += 1_000
        return {
          conversationId,
          seq: last - messages.length + at + 1,
          senderId: message.senderId ?? creator,
          content: message.content,
          type: 'TEXT' as const,
          createdAt: message.sentAt ?? new Date(clock).toISOString(),
          attachments: (message.fileNames ?? []).map((fileName) => ({
            id: randomUUID(),
            fileName,
            fileSize: 1,
            fileType: 'text/plain',
          })),
        }
      })
      await db.pool.query(
        `insert into messages
           (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, attachments, created_at)
         select $1, (m->>'seq')::bigint, gen_random_uuid(), 1, m->>'senderId', gen_random_uuid(), m->>'content', 'TEXT',
           m->'attachments', (m->>'createdAt')::timestamptz
         from jsonb_array_elements($2::jsonb) m`,
        [conversationId, JSON.stringify(stored)],
      )
      await db.pool.query('update conversations set last_message_at = $2 where id = $1', [
        conversationId,
        stored.at(-1)?.createdAt,
      ])
      if (index) await indexForSearch(db.pool, stored)
      return stored
    },
    async search(userId, query, more = {}) {
      const found = await search.search(userId, parse(searchMessagesQuery, { query, ...more }))
      return { ...found, contents: found.data.map(({ content }) => content) }
    },
    transaction: (work) => transaction(db, work, 0),
    async waitsOrIsDone(work) {
      let done = false
      const end = () => {
        done = true
      }
      work.then(end, end)
      const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
      await expect.poll(async () => done || (await db.pool.query(waiting)).rowCount === 1).toBe(true)
    },
    async [Symbol.asyncDispose]() {
      await db.close()
      await database[Symbol.asyncDispose]()
    },
  }
}
