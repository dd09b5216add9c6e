import { randomUUID } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import * as db from '@parley/db'
import { createTestDatabase, type TestDatabase } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/*
 * No statement reads a whole table of a grown database, however many users, conversations or messages it is about. By default
 * Postgres joins some hundred of them with a whole table by hash: a sync of 500 users took 640 ms for half a million
 * participants. A lateral subquery with `offset 0` is not flattened into such a join, but run row by row with an index.
 * Checked are the custom plan for these values, as behind PgBouncer, and the generic plan that is cached elsewhere: as made on
 * a pod's connection, in a grown database and in an empty one.
 */
const PEOPLE = 10_000
const CONVERSATIONS = 20_000
const MEMBERS = 5
const MANY = 500

type Statement = { name?: string; text: string; values: unknown[] }

const nth = (c: number) => `00000000-0000-7000-8000-${c.toString(16).padStart(12, '0')}`
const uuidOf = (c: string) => `('00000000-0000-7000-8000-' || lpad(to_hex(${c}), 12, '0'))::uuid`
const list = <T>(make: (i: number) => T): T[] => Array.from({ length: MANY }, (_, i) => make(i))
const conversation = (i: number) => nth((i * 37) % CONVERSATIONS)
const person = (i: number) => `user-${(i * 19) % PEOPLE}`
const member = (i: number) => ({ conversationId: conversation(i), userId: person(i) })
const range = (i: number) => ({ conversationId: conversation(i), knownRev: 1, lastSeq: 3, rev: 4, fromSeq: 2 })
const people = list(person)
const ids = list(() => randomUUID())
const key = { conversationId: conversation(1), seq: 2 }
const NOW = new Date().toISOString()

const question = (i: number) => ({
  userId: person(i),
  known: Object.fromEntries(Array.from({ length: 10 }, (_, k) => [conversation(i + k), 3])),
  after: '00000000-0000-0000-0000-000000000000',
  until: 'ffffffff-ffff-ffff-ffff-ffffffffffff',
})

const profile = (i: number) => {
  const name = `Person ${i}`
  return { id: person(i), fullName: name, profilePhoto: undefined, nameKey: name, profileAt: new Date() }
}

/** Runs every query, each with as many values as one call may have. */
const QUESTIONS: ((db: db.Queryable) => Promise<unknown>)[] = [
  (q) => db.findInMany(q, people, 10),
  (q) => db.syncHeads(q, list(question), 100),
  (q) => db.syncMessages(q, list(range), 50),
  (q) => db.syncMembers(q, list(range), 100),
  (q) =>
    db.seqsBefore(
      q,
      list((i) => ({ id: conversation(i), lastSeq: 3, at: NOW })),
    ),
  (q) => db.listMemberships(q, people),
  (q) => db.listContacts(q, people, 100),
  (q) =>
    db.listParticipants(
      q,
      list((i) => ({ ...member(i), askerId: person(i), limit: 20 })),
    ),
  (q) => db.listUnread(q, person(1)),
  (q) => db.upsertUsers(q, list(profile)),
  (q) =>
    db.upsertUsers(
      q,
      list((i) => ({ ...profile(i), profileAt: null })),
    ),
  (q) => db.findUsers(q, people),
  (q) => db.findTokensValidFrom(q, people),
  (q) => db.revokeTokens(q, person(1), NOW),
  (q) => db.findConversations(q, list(member)),
  (q) => db.listConversations(q, person(1), null, 20, 0),
  (q) => db.listConversations(q, person(1), 'name', 20, 0),
  (q) => db.findCreated(q, { directKey: '["a","b"]', createdBy: person(1), clientConversationId: null }),
  (q) => db.findByParts(q, { nameKey: 'ahmed', limit: 20, offset: 20 }),
  (q) => db.listMessages(q, conversation(1), 1, 50),
  (q) =>
    db.findMessages(
      q,
      list((i) => ({ conversationId: conversation(i), seq: 2 })),
    ),
  (q) => db.listReadMarks(q, list(range)),
  (q) =>
    db.listPushCandidates(
      q,
      list((i) => ({ ...member(i), seq: 2, senderId: 'somebody' })),
    ),
  (q) => db.findPushMembers(q, list(member)),
  (q) => db.listPushDevices(q, list(member)),
  (q) =>
    db.countNews(
      q,
      list((i) => ({ ...member(i), afterSeq: 1 })),
    ),
  (q) =>
    db.recordShown(
      q,
      list((i) => ({ ...member(i), subscriptionId: ids[i] ?? '', fromSeq: 1, seq: 2, digest: false })),
    ),
  (q) => db.noteOwed(q, { ...member(1), afterSeq: 1 }, ids[0] ?? ''),
  (q) => db.deletePushDevice(q, ids[0] ?? ''),
  (q) => db.pausePushDevice(q, ids[0] ?? '', new Date()),
  (q) => db.listStaleNotifications(q, member(1)),
  (q) => db.findEmptySummary(q, person(1), ids[0] ?? ''),
  (q) => db.forgetShown(q, member(1), ids[0] ?? '', 2),
  (q) => db.listHeldConversations(q, person(1), NOW),
  (q) => db.listSearchScope(q, person(1), { conversationId: null, from: null, to: null }),
  (q) => db.listIndexable(q, key, 500),
  (q) => {
    const file = {
      id: ids[0] ?? '',
      conversationId: conversation(1),
      uploaderId: person(1),
      fileName: 'name',
      fileSize: 1,
    }
    return db.insertAttachment(q, file, 100)
  },
  (q) => db.noteUploadId(q, ids[0] ?? '', 'upload'),
  (q) => db.finishAttachment(q, ids[0] ?? '', { fileSize: 1, fileType: 'x', width: null, height: null, preview: null }),
  (q) => db.findUploads(q, conversation(1), person(1), ids),
  (q) => db.findAttachment(q, ids[0] ?? '', person(1)),
  (q) => db.condemnAttachments(q, ids),
  (q) => db.condemnAbandoned(q, new Date(), null, 100),
  (q) => db.deleteAttachments(q, ids),
]

const EXCUSED: Record<string, string> = {
  append_messages: 'a function with settings of its own',
  append_messages_traced: 'the same',
  append_fresh: 'a function with settings of its own',
  append_fresh_traced: 'the same',
  mark_read: 'a function with settings of its own',
  index_runs: 'a function with settings of its own',
  search_slices: 'a function; search-plan.test.ts counts what it reads',
  outbox_messages: 'a function with its own settings',
  seq_before: 'a function; see below',
  find_by_name: 'a bounded number of names, in order; people-search.test.ts counts what it reads',
  count_by_name: 'all names: for a common text, once in five minutes',
  insert_conversation: 'it only inserts',
  known_epochs: 'a function; a row for each start of Postgres',
  newest_epoch: 'the same',
  take_outbox: 'the outbox is short',
  first_outbox_id: 'the outbox is short',
  outbox_keys: 'the outbox is short',
  outbox_lag: 'the outbox is short',
  delete_outbox: 'the outbox is short',
  take_closings: 'closings are few',
  first_closing_id: 'closings are few',
  delete_closings: 'closings are few',
  drop_closings: 'closings are few',
  clear_index: 'a range of the index, for a rebuild',
  count_messages: 'all messages, for a rebuild',
}

let grown: TestDatabase
let empty: TestDatabase
/** A pod's pool for each of the two databases. */
let pools: db.Database[]
/** The URL of a database, past any pooler. */
const urlOf = ({ sql }: TestDatabase) => sql.options.connectionString ?? ''
const pod = (url: string) => db.openDatabase({ url, max: 1, applicationName: 'plans' })
beforeAll(async () => {
  grown = await createTestDatabase()
  empty = await createTestDatabase()
  pools = [grown, empty].map((database) => pod(urlOf(database)))
  await fill(grown.sql)
})
afterAll(async () => {
  await Promise.all(pools.map((pool) => pool.close()))
  await grown?.[Symbol.asyncDispose]()
  await empty?.[Symbol.asyncDispose]()
})

describe('statements', async () => {
  const statements = await statementsOf(QUESTIONS)

  it('every statement that is prepared by name is checked', async () => {
    expect([...statements.keys(), ...Object.keys(EXCUSED)].sort()).toEqual([...(await namesInSource())].sort())
  })

  it.for([...statements])('%s reads no whole table', async ([, { text, values }]) => {
    const plans = [await planOf(grown.sql, `explain (format json) ${text}`, values)]
    for (const { pool } of pools) plans.push(await planOf(pool, `explain (generic_plan, format json) ${text}`, []))
    expect(plans.flatMap(wholeTables)).toEqual([])
  })

  it('a pod keeps the generic plan of a statement with lists, even if a list has one element', async () => {
    for (const pool of pools) {
      await db.findConversations(pool.pool, [member(1)])
      const { rows } = await pool.pool.query(
        `select generic_plans::int as kept, custom_plans::int as made from pg_prepared_statements where name = 'find_conversations'`,
      )
      expect(rows).toEqual([{ kept: 1, made: 0 }])
    }
  })

  it('connection options in the URL are added and take precedence', async () => {
    const url = new URL(urlOf(empty))
    url.searchParams.set('options', '-c work_mem=8MB -c enable_hashjoin=on')
    const { pool, close } = pod(url.href)
    const { rows } = await pool.query(
      `select name, setting from pg_settings where name in ('plan_cache_mode', 'enable_hashjoin', 'work_mem') order by name`,
    )
    await close()
    expect(rows.map(({ setting }) => setting)).toEqual(['on', 'force_generic_plan', '8192'])
  })
})

it('a time is looked up by key, even on a connection that planned it when there were few messages', async () => {
  await using young = await createTestDatabase()
  // As behind PgBouncer: without a pod's settings. Functions keep their plans there as well.
  const client = await young.sql.connect()
  try {
    const fill = (from: number, to: number) =>
      client.query(
        `insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
         select ${uuidOf('1')}, n, gen_random_uuid(), n, 'user', '', 'TEXT', 'epoch'::timestamptz + n * interval '1 second'
         from generate_series($1::int, $2::int) n`,
        [from, to],
      )
    // In one transaction, because an analyze by autovacuum would invalidate the plan.
    await client.query('begin')
    await fill(1, 20)
    await client.query('analyze messages')
    const moment = new Date(10_500).toISOString()
    for (let n = 0; n < 10; n++) expect(Number(await db.seqBefore(client, nth(1), moment, 20))).toBe(10)
    await fill(21, 10_000)
    const { rows } = await client.query(
      `explain (analyze, buffers, format json) select seq_before(${uuidOf('1')}, $1::timestamptz, 10000)`,
      [new Date(9_000_500).toISOString()],
    )
    expect(rows[0]['QUERY PLAN'][0].Plan['Shared Hit Blocks']).toBeLessThan(100)
  } finally {
    client.release(true)
  }
})

/** Returns the statements that the queries send, by name. */
async function statementsOf(questions: typeof QUESTIONS): Promise<Map<string, Statement>> {
  const sent = new Map<string, Statement>()
  // The answer makes nobody a member of all they named, so that the second statement is sent as well.
  const answers: Record<string, unknown[]> = { sync_heads: list((i) => ({ no: i + 1, id: null })) }
  const recorder = {
    async query(statement: Statement) {
      sent.set(statement.name ?? '', statement)
      return { rows: answers[statement.name ?? ''] ?? [], rowCount: 0 }
    },
  } as unknown as db.Queryable
  // Some queries fail without an answer.
  for (const ask of questions) await ask(recorder).catch(() => undefined)
  return sent
}

async function namesInSource(): Promise<Set<string>> {
  const folder = fileURLToPath(new URL('../../db/src/queries/', import.meta.url))
  const files = await Promise.all((await readdir(folder)).map((file) => readFile(folder + file, 'utf8')))
  const lines = files.flatMap((text) => text.match(/\bname: .*'[a-z_]+',/g) ?? [])
  return new Set(lines.flatMap((line) => [...line.matchAll(/'([a-z_]+)'/g)].map(([, name = '']) => name)))
}

interface Plan {
  'Node Type': string
  'Relation Name'?: string
  'Index Cond'?: string
  Plans?: Plan[]
}

async function planOf(on: db.Queryable, text: string, values: unknown[]): Promise<Plan> {
  const { rows } = await on.query(text, values)
  return rows[0]['QUERY PLAN'][0].Plan
}

/** Returns the tables that a plan reads completely, directly or along an index. */
function wholeTables(plan: Plan): string[] {
  const type = plan['Node Type']
  const isWhole =
    type === 'Seq Scan' || (/^(Bitmap )?Index (Only )?Scan$/.test(type) && plan['Index Cond'] === undefined)
  const here = isWhole ? [plan['Relation Name'] ?? type] : []
  return [...here, ...(plan.Plans ?? []).flatMap(wholeTables)]
}

/** Each user is in ten conversations of five; each has three messages, and half of the users have a device. */
async function fill(sql: TestDatabase['sql']): Promise<void> {
  const client = await sql.connect()
  const run = (text: string) => client.query(text)
  // Skips foreign key checks, for speed: nothing here violates one.
  await run('set session_replication_role = replica')
  await run(
    `insert into users (id, full_name, name_key) select 'user-' || i, 'name', 'name' from generate_series(0, ${PEOPLE - 1}) i`,
  )
  await run(`insert into conversations (id, type, created_by, participant_count, rev, last_seq)
    select ${uuidOf('i')}, 'GROUP', 'user-0', ${MEMBERS}, 4, 3 from generate_series(0, ${CONVERSATIONS - 1}) i`)
  await run(`insert into participants (conversation_id, user_id, rev)
    select ${uuidOf('i')}, 'user-' || ((i * ${MEMBERS} + k * 1999) % ${PEOPLE}), 1
    from generate_series(0, ${CONVERSATIONS - 1}) i, generate_series(0, ${MEMBERS - 1}) k`)
  await run(`insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
    select ${uuidOf('i')}, s, gen_random_uuid(), s + 1, 'user-' || (i % ${PEOPLE}), 'hello', 'TEXT', now()
    from generate_series(0, ${CONVERSATIONS - 1}) i, generate_series(1, 3) s`)
  await run(`insert into push_subscriptions (id, user_id, endpoint, p256dh, auth)
    select gen_random_uuid(), 'user-' || i * 2, 'https://push.example.com/' || i, 'key', 'secret'
    from generate_series(0, ${PEOPLE / 2 - 1}) i`)
  await run(`insert into push_preferences (user_id, show_content) select id, true from users`)
  await run(`insert into push_shown (conversation_id, user_id, subscription_id, from_seq, seq)
    select p.conversation_id, p.user_id, s.id, 1, 2 from push_subscriptions s join participants p on p.user_id = s.user_id`)
  await run(`insert into attachments (id, conversation_id, uploader_id, file_name, state, message_id)
    select gen_random_uuid(), conversation_id, sender_id, 'name', 'CLAIMED', id from messages where seq = 1`)
  await run('vacuum analyze')
  client.release(true)
}
