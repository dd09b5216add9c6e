import type { User } from '@parley/protocol'
import { apiClient, type Cluster, dataOf, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ apis: 2, gateways: 0, workers: 0, edge: false })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('who is written through one pod is called so by the others at once, and not when they next look', async () => {
  const who = user('Before')
  const pods = cluster.apis.map(({ url }) => apiClient(url, cluster.token(who)))
  const names = () => Promise.all(pods.map(async (pod) => dataOf(await pod.get<User>('/api/users/me')).fullName))
  expect(await names()).toEqual(['Before', 'Before'])
  // To the first pod.
  dataOf(await cluster.service().put(`/api/users/${who.id}`, { fullName: 'After' }))
  // The other hears of it by a notice that may still be on its way; by itself it looks once a minute.
  await expect.poll(names).toEqual(['After', 'After'])
})
