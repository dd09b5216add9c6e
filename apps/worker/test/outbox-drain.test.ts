import { randomUUID } from 'node:crypto'
import { openDatabase } from '@parley/db'
import { createTestDatabase, createTestRedis, redisClient } from '@parley/testkit'
import { expect, it } from 'vitest'
import { OutboxDrain } from '../src/outbox-drain.ts'

it('keeps what a dead process left behind until Redis has taken it', async () => {
  await using database = await createTestDatabase()
  await using server = await createTestRedis()
  await using undo = new AsyncDisposableStack()
  const redis = await redisClient(server.url)
  undo.defer(() => redis.disconnect())
  const db = openDatabase({ url: database.url, max: 2, applicationName: 'test' })
  undo.defer(() => db.close())
  const conversationId = randomUUID()
  await database.sql.query(`
    with u as (insert into users (id, full_name, name_key) values ('a', 'A', 'a')),
      c as (insert into conversations (id, type, created_by, participant_count, last_seq) values ('${conversationId}', 'GROUP', 'a', 1, 1)),
      m as (insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
        values ('${conversationId}', 1, '${randomUUID()}', 1, 'a', 'x', 'Hello', 'TEXT', now()))
    insert into outbox (origin, batch, conversation_ids, seqs) values ('dead', 1, array['${conversationId}']::uuid[], array[1])`)
  let taken = false
  const published: string[] = []
  const drain = new OutboxDrain({
    db,
    redis,
    events: {
      messages: async (messages) => {
        published.push(...messages.map(({ content }) => content))
        return taken
      },
    },
    links: { urlOf: () => 'https://example.com/' },
    steps: [],
    onError: () => undefined,
  })
  await expect(drain.drainOnce()).rejects.toThrow('Redis did not take')
  taken = true
  expect(await drain.drainOnce()).toBe(1)
  expect(await drain.drainOnce()).toBe(0)
  expect(published).toEqual(['Hello', 'Hello'])
})
