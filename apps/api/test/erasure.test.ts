import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import type { Conversation, Message, SearchHit } from '@parley/protocol'
import { type Cluster, dataOf, errorOf, group, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { form, openBucket, PDF, post } from './attachments-bed.ts'

const OPERATIONS = new URL('../../../docs/OPERATIONS.md', import.meta.url)

let cluster: Cluster
beforeAll(async () => {
  const bucket = await openBucket()
  cluster = await startCluster({ gateways: 1, env: bucket.env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Returns the statements that OPERATIONS.md lists, for this person. */
async function erasureOf(userId: string): Promise<string> {
  const page = await readFile(OPERATIONS, 'utf8')
  const statements = /## A person's data[\s\S]*?```sql\n(?<sql>[\s\S]*?)```/.exec(page)?.groups?.sql
  if (statements === undefined) throw new Error('OPERATIONS.md has no statements about a person’s data')
  return statements.replaceAll("'ahmed'", `'${userId}'`)
}

it('the steps in OPERATIONS.md erase everything a person wrote, for everybody, and nothing else', async () => {
  const [ahmed, fatima, mei] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Mei Lin')]
  const { id } = await group(cluster, fatima, [mei])
  await cluster.register(ahmed)
  const at = `/api/messages/conversations/${id}`
  const say = (who: typeof ahmed, content: string) => cluster.api(who).post<Message>(`${at}/messages`, { content })
  // The SYSTEM message is sent in her name and contains his.
  dataOf(await cluster.api(fatima).post(`${at}/participants`, { userIds: [ahmed.id] }))
  dataOf(await say(ahmed, 'erasable words'))
  dataOf(await say(fatima, 'erasable words of hers'))
  const [file] = dataOf(await post(cluster, ahmed, id, form({ content: 'a file' }, [['a.pdf', PDF]]))).attachments
  const [hers] = dataOf(await post(cluster, fatima, id, form({ content: 'hers' }, [['b.pdf', PDF]]))).attachments
  const search = async () =>
    dataOf(await cluster.api(fatima).get<SearchHit[]>('/api/messages/search?query=erasable')).map((hit) => hit.content)
  await expect.poll(search).toHaveLength(2)

  const service = cluster.service()
  dataOf(await cluster.api(ahmed).delete(`${at}/participants/${ahmed.id}`))
  dataOf(await service.put(`/api/users/${ahmed.id}`, { fullName: 'Somebody who left', profilePhoto: null }))
  dataOf(await service.post(`/api/users/${ahmed.id}/revoke-tokens`))
  await cluster.sql.query(await erasureOf(ahmed.id))

  const left = dataOf(await cluster.api(fatima).get<Message[]>(`${at}/messages`))
  expect(left.map(({ content }) => content)).toEqual(['erasable words of hers', 'hers'])
  expect(await search()).toEqual(['erasable words of hers'])
  const address = await cluster.api(fatima).get(`/api/messages/attachments/${file?.id}`)
  expect(errorOf(address).code).toBe('ATTACHMENT_NOT_FOUND')
  expect((await fetch(hers?.url ?? '')).status).toBe(200)
  const listed = dataOf(await cluster.api(fatima).get<Conversation[]>('/api/messages/conversations'))
  expect(JSON.stringify([left, listed])).not.toContain('Ahmed')
  const { rows } = await cluster.sql.query('select id from attachments where state = $1', ['DELETING'])
  expect(rows).toEqual([{ id: file?.id }])
  const kept = await cluster.sql.query(`select 1 from messages where content like '%Ahmed%' or content = 'a file'`)
  expect(kept.rows).toEqual([])
})

/*
 * Uploads are locked in the order of their ids, and the worker locks the messages it indexes in key order: deleting in another
 * order could cause a deadlock.
 */
it.each([
  [
    'uploads',
    `insert into attachments (id, conversation_id, uploader_id, state, file_name) values ($1, $1, $2, 'READY', '')`,
  ],
  [
    'messages',
    `insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
     values ($1, 1, $1, 1, $2, '', 'TEXT', now())`,
  ],
])('%s are erased in the order of their keys', async (what, insert) => {
  const [table, key] = what === 'uploads' ? ['attachments', 'id'] : ['messages', 'conversation_id']
  const person = randomUUID()
  const keys = Array.from({ length: 10 }, () => randomUUID()).sort()
  // Physically, the last one comes first in the table.
  for (const id of keys.toReversed()) await cluster.sql.query(insert, [id, person])
  const erasure = await erasureOf(person)
  const holder = await cluster.sql.connect()
  let done: Promise<unknown> | undefined
  try {
    await holder.query('begin')
    await holder.query(`select from ${table} where ${key} = $1 for update`, [keys[4]])
    done = cluster.sql.query(erasure)
    const waiting = `select from pg_stat_activity
      where wait_event_type = 'Lock' and application_name = 'parley-test' and datname = current_database()`
    await expect.poll(async () => (await cluster.sql.query(waiting)).rowCount).toBe(1)
    const free = await holder.query(
      `select ${key} as key from ${table} where ${key} = any ($1::uuid[]) order by ${key} for update skip locked`,
      [keys],
    )
    expect(free.rows.map((row) => row.key)).toEqual(keys.slice(4))
  } finally {
    await holder.query('rollback')
    holder.release()
    await done
  }
})
