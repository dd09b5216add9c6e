import { openDatabase } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it } from 'vitest'
import { MessageWriter } from '../src/index.ts'

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
