import { openDatabase } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it, vi } from 'vitest'
import { MessageWriter, ReadMarker } from '../src/index.ts'

it('waits for a primary where the database has become one that is only read, as after a failover', async () => {
  await using database = await createTestDatabase()
  const conversationId = '00000000-0000-4000-8000-000000000001'
  await database.sql.query(`
    insert into users (id, full_name, name_key) values ('ahmed', 'Ahmed', 'ahmed');
    insert into conversations (id, type, created_by, participant_count) values ('${conversationId}', 'GROUP', 'ahmed', 1);
    insert into participants (conversation_id, user_id) values ('${conversationId}', 'ahmed')`)
  const [name] = (await database.sql.query('select current_database() as name')).rows.map((row) => row.name)
  const readOnly = (value: 'on' | 'off') =>
    database.sql.query(`alter database ${name} set default_transaction_read_only = ${value}`)
  // Past a pooler, which would keep its connections as they were.
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

it('tells of a mark that moved where the connection broke before the answer, and it had been moved already when tried again', async () => {
  await using database = await createTestDatabase()
  const conversationId = '00000000-0000-4000-8000-000000000001'
  const messageId = '00000000-0000-4000-8000-000000000002'
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
  const reads = new ReadMarker({ db, events, onError: () => undefined })
  const query = db.pool.query.bind(db.pool) as (...args: unknown[]) => Promise<unknown>
  vi.spyOn(db.pool, 'query').mockImplementationOnce(async (...args: unknown[]) => {
    await query(...args)
    throw Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
  })
  const receipt = await reads.read({ id: 'ahmed', fullName: 'Ahmed', profilePhoto: null }, conversationId, messageId)
  expect(receipt).toMatchObject({ seq: 1, userId: 'ahmed' })
  expect(told).toEqual([[conversationId, 'messageRead', receipt]])
  await reads.close()
  await db.close()
})
