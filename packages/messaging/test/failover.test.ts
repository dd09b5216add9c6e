import { openDatabase, transaction } from '@parley/db'
import { createTestDatabase, tcpProxy } from '@parley/testkit'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { MessageWriter, ReadMarker } from '../src/index.ts'

it('waits for a primary if the database has become read-only, as after a failover', async () => {
  // The deadline of two seconds does not pass here.
  vi.useFakeTimers({ toFake: ['performance', 'setInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  await using database = await createTestDatabase()
  const conversationId = '00000000-0000-4000-8000-000000000001'
  await database.sql.query(`
    insert into users (id, full_name, name_key) values ('ahmed', 'Ahmed', 'ahmed');
    insert into conversations (id, type, created_by, participant_count) values ('${conversationId}', 'GROUP', 'ahmed', 1);
    insert into participants (conversation_id, user_id) values ('${conversationId}', 'ahmed')`)
  const [name] = (await database.sql.query('select current_database() as name')).rows.map((row) => row.name)
  const readOnly = (value: 'on' | 'off') =>
    database.sql.query(`alter database ${name} set default_transaction_read_only = ${value}`)
  // Directly, because a pooler would keep its connections as they were.
  const url = String(database.sql.options.connectionString)
  const db = openDatabase({ url, max: 2, applicationName: 'failover-test' })
  const errors: unknown[] = []
  let attempts = 0
  const writer = new MessageWriter({
    db,
    events: { message: async () => true, messages: async () => true },
    ledger: { cover: (work) => work('failover-test', ++attempts, () => undefined) },
    store: { urlOf: () => '', inspect: () => Promise.reject(new Error('no files here')) },
    onError: (error) => errors.push(error),
  })
  const send = (content: string) =>
    writer.send({
      conversationId,
      content,
      attachments: [],
      sender: { id: 'ahmed', fullName: 'Ahmed', profilePhoto: null },
    })

  await readOnly('on')
  const waiting = Promise.all(['one', 'two', 'three'].map(send))
  await expect.poll(() => attempts).toBeGreaterThan(1)
  await readOnly('off')
  expect((await waiting).map(({ seq }) => seq)).toEqual([1, 2, 3])
  expect(errors).toEqual([])

  await writer.close()
  await db.close()
})

describe('a read mark whose answer is lost', () => {
  const conversationId = '00000000-0000-4000-8000-000000000001'
  const messageId = '00000000-0000-4000-8000-000000000002'
  const ahmed = { id: 'ahmed', fullName: 'Ahmed', profilePhoto: null }

  /** A conversation with one unread message, and the events published. `lose` runs a query and loses its answer. */
  async function conversation() {
    const database = await createTestDatabase()
    await database.sql.query(`
      insert into users (id, full_name, name_key) values ('ahmed', 'Ahmed', 'ahmed');
      insert into conversations (id, type, created_by, participant_count, last_seq)
        values ('${conversationId}', 'GROUP', 'ahmed', 1, 1);
      insert into participants (conversation_id, user_id) values ('${conversationId}', 'ahmed');
      insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
        values ('${conversationId}', 1, '${messageId}', 1, 'fatima', 'Hello', 'TEXT', now())`)
    const db = openDatabase({ url: database.url, max: 1, applicationName: 'failover-test' })
    const told: unknown[] = []
    const events = { toConversation: async (...event: unknown[]) => told.push(event) > 0 }
    const errors: unknown[] = []
    const reads = new ReadMarker({ db, events, onError: (error) => errors.push(error) })
    const query = db.pool.query.bind(db.pool) as (...args: unknown[]) => Promise<unknown>
    const lose = async (...args: unknown[]) => {
      await query(...args)
      throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
    }
    onTestFinished(async () => {
      await reads.close()
      await db.close()
      await database[Symbol.asyncDispose]()
    })
    return { reads, told, errors, lose, query: vi.spyOn(db.pool, 'query') }
  }

  it('is published when a retry finds it moved already', async () => {
    const { reads, told, lose, query } = await conversation()
    query.mockImplementationOnce(lose)
    const receipt = await reads.read(ahmed, conversationId, messageId)
    expect(receipt).toMatchObject({ seq: 1, userId: 'ahmed' })
    expect(told).toEqual([[conversationId, 'messageRead', receipt]])
  })

  it('is published once the database is back, even if the reader was refused and has given up', async () => {
    const { reads, told, errors, lose, query } = await conversation()
    query.mockImplementation(lose)
    await expect(reads.read(ahmed, conversationId, messageId)).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    const asked = query.mock.calls.length
    await expect.poll(() => query.mock.calls.length).toBeGreaterThan(asked)
    expect(told).toEqual([])
    query.mockRestore()
    await expect.poll(() => told).toMatchObject([[conversationId, 'messageRead', { seq: 1, userId: 'ahmed', rev: 1 }]])
    const receipt = await reads.read(ahmed, conversationId, messageId)
    expect(receipt).toMatchObject({ seq: 1 })
    expect(told).toHaveLength(1)
    expect(errors).toHaveLength(1)
  })
})

it('a transaction whose statement gets no answer ends there, without waiting as long again for a rollback', async () => {
  onTestFinished(() => void vi.useRealTimers())
  await using database = await createTestDatabase()
  const { hostname: host, port } = new URL(database.url)
  await using network = await tcpProxy({ host, port: Number(port || 5432) })
  const queryTimeoutMs = 30_000
  const db = openDatabase({ url: network.rewrite(database.url), max: 1, applicationName: 'silent', queryTimeoutMs })
  const statements: string[] = []
  const silent = transaction(db, async (tx) => {
    const { query } = tx
    tx.query = ((...args: unknown[]) => {
      statements.push(String(args[0]))
      return Reflect.apply(query, tx, args)
    }) as typeof query
    network.stall()
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const answer = tx.query('select 1')
    vi.advanceTimersByTime(queryTimeoutMs)
    vi.useRealTimers()
    await answer
  })
  await expect(silent).rejects.toThrow(/timeout/)
  expect(statements).toEqual(['select 1'])
  network.restore()
  // The connection is not used again.
  expect((await db.pool.query('select 2 as n')).rows).toEqual([{ n: 2 }])
  await db.close()
})
