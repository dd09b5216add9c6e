import { syncHeads } from '@parley/db'
import { LIMITS } from '@parley/protocol'
import { expect, it } from 'vitest'
import { ConversationSync, DatabaseHistory } from '../src/index.ts'
import { fileDatabase } from './file-database.ts'

/* The number of a user's conversations is unbounded: the cost of a sync must be proportional to it. */

const { database, db } = await fileDatabase(2)
const CONVERSATIONS = 3_000
const FIRST = '00000000-0000-0000-0000-000000000000'
const LAST = 'ffffffff-ffff-ffff-ffff-ffffffffffff'

await database.sql.query(`
  insert into users (id, full_name, name_key) values ('sara', 'Sara', 'sara');
  insert into conversations (id, type, created_by, participant_count, rev, last_message_at)
    select gen_random_uuid(), 'GROUP', 'sara', 1, 1, now() from generate_series(1, ${CONVERSATIONS});
  insert into participants (conversation_id, user_id) select id, 'sara' from conversations;
  analyze`)
const ids = (await database.sql.query<{ id: string }>('select id from conversations order by id')).rows.map(
  ({ id }) => id,
)

it('a page reads only as many conversations as it may return, and those named', async () => {
  const client = await db.pool.connect()
  try {
    await client.query('begin')
    const known = Object.fromEntries(ids.slice(0, 50).map((id) => [id, 1]))
    const heads = await syncHeads(client, [{ userId: 'sara', known, after: FIRST, until: LAST }], 100)
    expect(heads.map(({ id }) => id)).toEqual(ids.slice(50, 150))
    const { rows } = await client.query(
      `select relname, idx_tup_fetch::int as rows from pg_stat_xact_user_tables where relname in ('conversations', 'participants')`,
    )
    expect(rows.map(({ rows }) => rows).sort()).toEqual([150, 250])
  } finally {
    await client.query('rollback')
    client.release()
  }
})

const epochs = { current: async () => new DatabaseHistory([]) }

it('all pages together list all conversations, and those that the user is not in', async () => {
  const sync = new ConversationSync(db, { urlOf: () => '' } as never, epochs, () => 0)
  const stranger = 'c0ffee00-0000-4000-8000-000000000000'
  const conversations = Object.fromEntries(
    [stranger, ...ids.slice(-(LIMITS.syncConversations - 1))].map((id) => [id, 1]),
  )
  const [listed, left]: [string[], string[]] = [[], []]
  for (let after: string | null = FIRST; after !== null; ) {
    const answer = await sync.changes('sara', { conversations, after })
    listed.push(...answer.conversations.map(({ id }) => id))
    left.push(...answer.left)
    after = answer.after
  }
  expect(listed).toEqual(ids.slice(0, CONVERSATIONS - LIMITS.syncConversations + 1))
  expect(left).toEqual([stranger])
})
