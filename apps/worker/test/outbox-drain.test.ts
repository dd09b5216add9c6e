import { randomUUID } from 'node:crypto'
import { listOutboxMessages, type MessageKey, openDatabase } from '@parley/db'
import { createLogger, loadSettings, Metrics, pushSettings } from '@parley/runtime'
import { createTestDatabase, createTestRedis, redisClient } from '@parley/testkit'
import { describe, expect, it } from 'vitest'
import { type DueMessage, OutboxDrain } from '../src/outbox-drain.ts'
import { buildPush } from '../src/push/index.ts'
import { type RepublishDeps, republish } from '../src/republish.ts'

/** Creates a conversation with these messages, divided into outbox rows, and a drain. */
async function setUp(rows: string[][]) {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await createTestDatabase())
  const server = undo.use(await createTestRedis())
  const redis = await redisClient(server.url)
  undo.defer(() => redis.disconnect())
  const db = openDatabase({ url: database.url, max: 2, applicationName: 'test' })
  undo.defer(() => db.close())
  const conversationId = randomUUID()
  const contents = rows.flat()
  await database.sql.query(`insert into users (id, full_name, name_key) values ('a', 'A', 'a')`)
  await database.sql.query(
    `insert into conversations (id, type, created_by, participant_count, last_seq) values ($1, 'GROUP', 'a', 1, $2)`,
    [conversationId, contents.length],
  )
  await database.sql.query(
    `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
     select $1, seq, gen_random_uuid(), 1, 'a', seq::text, content, 'TEXT', now()
     from unnest($2::text[]) with ordinality as m (content, seq)`,
    [conversationId, contents],
  )
  let seq = 0
  for (const [batch, row] of rows.entries()) {
    await database.sql.query(
      `insert into outbox (origin, batch, conversation_ids, seqs) values ('dead', $1, $2::uuid[], $3::bigint[])`,
      [batch + 1, row.map(() => conversationId), row.map(() => ++seq)],
    )
  }
  const parts = undo.move()
  return { db, sql: database.sql, redis, conversationId, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}

it('keeps rows of a dead process until Redis has accepted the messages', async () => {
  await using setting = await setUp([['Hello']])
  const { db, redis, conversationId } = setting
  let taken = false
  const published: MessageKey[] = []
  const drain = new OutboxDrain({
    db,
    redis,
    republish: async (keys) => {
      published.push(...keys)
      return taken
    },
    steps: [],
    onError: () => undefined,
  })
  await expect(drain.drainOnce()).rejects.toThrow('Redis did not accept')
  taken = true
  expect(await drain.drainOnce()).toBe(1)
  expect(await drain.drainOnce()).toBe(0)
  const key = { conversationId, seq: 1 }
  expect(published).toEqual([key, key])
  // A live process has published it.
  await redis.set('parley:published:alive', 1, 'PX', 30_000)
  await redis.sadd('parley:publishers', 'alive')
  await db.pool.query(
    `insert into outbox (origin, batch, conversation_ids, seqs) values ('alive', 1, array[$1::uuid], array[1])`,
    [conversationId],
  )
  expect(await drain.drainOnce()).toBe(1)
  expect(published).toEqual([key, key])
})

it('reports whether Redis accepted everything published again', async () => {
  await using setting = await setUp([['Hello']])
  const { db, conversationId } = setting
  const took = async () => true
  const taken = { messages: took, created: took, changedBefore: took }
  const all = (seq: number, { messages, ...news }: typeof taken) =>
    republish({ db, events: { messages }, news, links: { urlOf: () => '' } }, [{ conversationId, seq }])
  expect([await all(1, taken), await all(0, taken)]).toEqual([true, true])
  expect(await all(1, { ...taken, messages: async () => false })).toBe(false)
  expect(await all(0, { ...taken, created: async () => false })).toBe(false)
})

it('publishes again in the order of the messages', async () => {
  await using setting = await setUp([['1', '2', '3']])
  const { db, conversationId } = setting
  const published: string[] = []
  const took = async () => true
  const messages: RepublishDeps['events']['messages'] = async (some) => {
    published.push(...some.map(({ content }) => content))
    return true
  }
  const news = { created: took, changedBefore: took }
  const keys = [3, 1, 2].map((seq) => ({ conversationId, seq }))
  await republish({ db, events: { messages }, news, links: { urlOf: () => '' } }, keys)
  expect(published).toEqual(['1', '2', '3'])
})

it('passes all messages of a round to each step in order, within the limit', async () => {
  await using setting = await setUp([['1', '2'], ['3', '4', '5'], ['6'], ['7', '8', '9', '10', '11']])
  const { db, redis, conversationId } = setting
  const file = { id: randomUUID(), fileName: 'report.pdf', fileSize: 1, fileType: 'application/pdf' }
  await db.pool.query('update messages set attachments = $2 where conversation_id = $1 and seq = 2', [
    conversationId,
    JSON.stringify([file]),
  ])
  const rounds: DueMessage[][] = []
  const drain = new OutboxDrain({
    db,
    redis,
    republish: async () => true,
    steps: [{ name: 'test', run: async (messages) => void rounds.push([...messages]) }],
    maxMessages: 4,
    onError: () => undefined,
  })
  expect([await drain.drainOnce(), await drain.drainOnce(), await drain.drainOnce(), await drain.drainOnce()]).toEqual([
    1, 2, 1, 0,
  ])
  expect(rounds.map((messages) => messages.map(({ content }) => content))).toEqual([
    ['1', '2'],
    ['3', '4', '5', '6'],
    ['7', '8', '9', '10', '11'],
  ])
  expect(rounds[0]?.[0]).toMatchObject({ conversationId, seq: 1, senderId: 'a', type: 'TEXT', attachments: [] })
  expect(rounds[0]?.[1]?.attachments).toMatchObject([{ fileName: 'report.pdf' }])
})

it('keeps the rows of a round until every step has succeeded', async () => {
  await using setting = await setUp([['Hello']])
  const { db, redis } = setting
  let away = true
  const rounds: string[][] = []
  const drain = new OutboxDrain({
    db,
    redis,
    republish: async () => true,
    steps: [
      {
        name: 'test',
        async run(messages) {
          if (away) throw new Error('away')
          rounds.push(messages.map(({ content }) => content))
        },
      },
    ],
    onError: () => undefined,
  })
  await expect(drain.drainOnce()).rejects.toThrow('away')
  away = false
  expect([await drain.drainOnce(), await drain.drainOnce()]).toEqual([1, 0])
  expect(rounds).toEqual([['Hello']])
})

it('counts its work once, even if a round fails at its very end', async () => {
  await using setting = await setUp([['1', '2']])
  const { db, redis } = setting
  let broken = true
  const drain = new OutboxDrain({
    db,
    redis,
    republish: async () => true,
    steps: [
      {
        name: 'test',
        async run(_messages, _traces, tx) {
          // This aborts the transaction: every later statement in it fails.
          if (broken) await tx.query('select 1 / 0').catch(() => undefined)
        },
      },
    ],
    onError: () => undefined,
  })
  await expect(drain.drainOnce()).rejects.toThrow()
  broken = false
  expect(await drain.drainOnce()).toBe(1)
  expect(drain.measures).toMatchObject({ rows: 1, messages: 2 })
})

it('includes no messages from between those of a round', async () => {
  await using setting = await setUp([['1', '2'], ['3', '4', '5'], ['6']])
  const { db, conversationId } = setting
  await db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq = 2', [conversationId])
  const { rows } = await db.pool.query<{ id: number }>('select id from outbox order by batch')
  const found = await listOutboxMessages(db.pool, [rows[2]?.id ?? 0, rows[0]?.id ?? 0])
  expect(found.map(({ content }) => content)).toEqual(['1', '6'])
})

describe('a drain', () => {
  /** Creates a drain with a clock, and counts the pages of the outbox and its index that each round reads. */
  async function reading() {
    await using undo = new AsyncDisposableStack()
    const setting = undo.use(await setUp([]))
    const { db, sql, redis } = setting
    const read: number[] = []
    let ms = 0
    const drain = new OutboxDrain({
      db,
      redis,
      republish: async () => true,
      steps: [
        {
          name: 'test',
          async run(_messages, _traces, tx) {
            const { rows } = await tx.query(
              `select pg_stat_get_xact_blocks_fetched('outbox'::regclass)
                 + pg_stat_get_xact_blocks_fetched('outbox_pkey'::regclass) as read, pg_stat_force_next_flush()`,
            )
            read.push(rows[0]?.read)
          },
        },
      ],
      maxRows: 250,
      now: () => ms,
      onError: () => undefined,
    })
    const store = (count: number, client: Pick<typeof sql, 'query'> = sql) =>
      client.query(
        `insert into outbox (origin, batch, conversation_ids, seqs)
         select 'dead', n, array[gen_random_uuid()], array[n] from generate_series(1, $1) n`,
        [count],
      )
    /** @returns the number of rows */
    const drainAll = async () => {
      let all = 0
      for (let taken = -1; taken !== 0; all += taken) taken = await drain.drainOnce()
      return all
    }
    const parts = undo.move()
    return {
      sql,
      read,
      drain,
      drainAll,
      store,
      pass: () => {
        ms += 10_000
      },
      [Symbol.asyncDispose]: () => parts.disposeAsync(),
    }
  }

  it('does not scan deleted rows again and again while an old transaction, such as a dump, keeps them', async () => {
    await using setting = await reading()
    const { sql, read, drain, store } = setting
    const dump = await sql.connect()
    try {
      await dump.query('begin isolation level repeatable read; select from users')
      await store(20_000)
      await sql.query('delete from outbox')
      // The first of these rounds looks up where to start.
      for (let n = 0; n < 2; n++) {
        await store(1)
        expect(await drain.drainOnce()).toBe(1)
      }
      expect(read.at(-1)).toBeLessThan(50)
    } finally {
      dump.release(true)
    }
  })

  it('finds rows committed after rows with higher ids: at once if those are fewer than a thousand', async () => {
    await using setting = await reading()
    const { sql, drain, drainAll, store, pass } = setting
    const late = await sql.connect()
    try {
      for (const others of [5_000, 900]) {
        await late.query('begin')
        await store(1, late)
        await store(others)
        expect(await drainAll()).toBe(others)
        pass()
        expect(await drain.drainOnce()).toBe(0)
        await late.query('commit')
        if (others > 1_000) pass()
        expect(await drain.drainOnce()).toBe(1)
      }
    } finally {
      late.release(true)
    }
  })

  it('goes back for rows that were locked', async () => {
    await using setting = await reading()
    const { sql, drain, drainAll, store, pass } = setting
    const other = await sql.connect()
    try {
      await store(1)
      await other.query('begin; select from outbox for update')
      await store(5_000)
      expect(await drainAll()).toBe(5_000)
      pass()
      await store(1)
      expect(await drain.drainOnce()).toBe(1)
      await other.query('rollback')
      expect(await drain.drainOnce()).toBe(1)
    } finally {
      other.release(true)
    }
  })
})

it('with push off, recorded closings are dropped', async () => {
  await using setting = await setUp([])
  const { db, conversationId } = setting
  await db.pool.query(`insert into push_closings (conversation_id, user_id) values ($1, 'a')`, [conversationId])
  const push = buildPush({
    db,
    address: 'redis://nowhere',
    settings: { ...loadSettings(pushSettings, {}), NODE_ENV: 'test' },
    logger: createLogger({ name: 'worker', level: 'silent' }),
    onError: (error) => expect.fail(String(error)),
    tracer: undefined,
    metrics: new Metrics('worker', '0'),
  })
  push.start()
  await expect.poll(async () => (await db.pool.query('select from push_closings')).rowCount).toBe(0)
  for (const part of push.parts) await part.stop()
})
