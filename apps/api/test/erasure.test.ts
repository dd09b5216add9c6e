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

it('what a person wrote is gone for everybody after what OPERATIONS.md says, and nothing else is', async () => {
  const page = await readFile(OPERATIONS, 'utf8')
  const statements = /## A person's data[\s\S]*?```sql\n(?<sql>[\s\S]*?)```/.exec(page)?.groups?.sql
  if (statements === undefined) throw new Error('OPERATIONS.md has no statements about a person’s data')
  const [ahmed, fatima, mei] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Mei Lin')]
  const { id } = await group(cluster, fatima, [mei])
  await cluster.register(ahmed)
  const at = `/api/messages/conversations/${id}`
  const say = (who: typeof ahmed, content: string) => cluster.api(who).post<Message>(`${at}/messages`, { content })
  // The server tells of it in her name, with his.
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
  await cluster.sql.query(statements.replaceAll("'ahmed'", `'${ahmed.id}'`))

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
