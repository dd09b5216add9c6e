import { setTimeout as delay } from 'node:timers/promises'
import type { Conversation } from '@parley/protocol'
import { apiClient, dataOf, direct, errorOf, group, startCluster, user } from '@parley/testkit'
import { expect, it } from 'vitest'
import { LONGEST_STANDSTILL_MS } from '../src/stale.ts'
import { openBucket, openForm } from './attachments-bed.ts'

it('a pod that was frozen refuses requests from meanwhile: their clients have retried elsewhere', async () => {
  await using cluster = await startCluster({ apis: 2, gateways: 0, workers: 0, edge: false })
  const [owner, member] = [user('Owner'), user('Member')]
  const { id } = await group(cluster, owner, [member], 'Before')
  const path = `/api/messages/conversations/${id}`
  const [frozen, other] = cluster.apis.map(({ url }) => apiClient(url, cluster.token(owner)))
  if (frozen === undefined || other === undefined) throw new Error('there are two')
  await cluster.apis[0]?.kill('SIGSTOP')
  // On an existing connection, and on one that has yet to be accepted.
  const asked = [frozen.patch(path, { name: 'Old' }), frozen.post(`${path}/messages`, { content: 'old' })]
  dataOf(await other.patch(path, { name: 'New' }))
  await delay(LONGEST_STANDSTILL_MS + 100)
  await cluster.apis[0]?.kill('SIGCONT')
  for (const answer of await Promise.all(asked)) {
    expect([answer.status, errorOf(answer)]).toMatchObject([503, { code: 'UNAVAILABLE', retryAfterMs: 1_000 }])
  }
  await expect.poll(async () => (await frozen.get(path)).status).toBe(200)
  expect(dataOf(await frozen.get<Conversation>(path))).toMatchObject({ name: 'New', lastSeq: 1 })
})

it('a form whose files arrived while the pod was frozen becomes no message and leaves no files', async () => {
  const { env } = await openBucket()
  await using cluster = await startCluster({ apis: 1, gateways: 0, workers: 0, env })
  const ahmed = user('Ahmed Hassan')
  const { id } = await direct(cluster, ahmed, user('Fatima Rahman'))
  const files = async () =>
    (await cluster.sql.query('select from attachments where conversation_id = $1', [id])).rowCount
  const form = openForm({ url: cluster.apis[0]?.url ?? '', token: cluster.token }, ahmed, id, 'film.bin')
  await form.write(Buffer.alloc(100_000))
  await expect.poll(files).toBe(1)
  await cluster.apis[0]?.kill('SIGSTOP')
  await delay(LONGEST_STANDSTILL_MS + 100)
  await cluster.apis[0]?.kill('SIGCONT')
  form.end()
  expect(await form.answer()).toEqual({ status: 503, code: 'UNAVAILABLE' })
  expect(await files()).toBe(0)
})
