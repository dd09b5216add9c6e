import type { Message } from '@parley/protocol'
import { apiClient, type Cluster, dataOf, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

/* SIGTERM while people write over HTTP: until it closes its port, a pod answers what reaches it, as ever. */

let cluster: Cluster
beforeAll(async () => {
  // Enough time to notice that it is stopping and to write to it, even on a busy machine.
  const env = { DRAIN_DELAY_MS: '5000' }
  cluster = await startCluster({ apis: 1, gateways: 0, workers: 0, edge: false, env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('stores and answers requests while balancers notice that it is stopping, and stores nothing unanswered', async () => {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  const [pod] = cluster.apis
  if (pod === undefined) throw new RangeError('there is one')
  const api = apiClient(pod.url, cluster.token(ahmed))
  const send = (content: string) => api.post<Message>(`/api/messages/conversations/${id}/messages`, { content })
  const ready = async () => (await fetch(`${pod.adminUrl}/health/ready`)).status
  const acked: string[] = []
  expect(await ready()).toBe(200)

  const stopped = pod.kill('SIGTERM')
  await expect.poll(ready, { interval: 10 }).toBe(503)
  acked.push(dataOf(await send('told that it stops')).id)
  // Until the port is closed.
  for (let count = 1; ; count++) {
    const answer = await send(`message ${count}`).catch(() => undefined)
    if (answer === undefined) break
    expect(answer.status).toBe(201)
    acked.push(dataOf(answer).id)
  }
  await stopped

  expect(pod.crashes).toBe(0)
  const { rows } = await cluster.sql.query<{ id: string }>('select id from messages order by seq')
  expect(rows.map((row) => row.id)).toEqual(acked)
})
