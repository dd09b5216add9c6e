import type { User } from '@parley/protocol'
import { apiClient, type Cluster, dataOf, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ apis: 2, gateways: 0, workers: 0, edge: false })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('a name written through one pod is used by the others at once, not only at their next look-up', async () => {
  const who = user('Before')
  const pods = cluster.apis.map(({ url }) => apiClient(url, cluster.token(who)))
  const names = () => Promise.all(pods.map(async (pod) => dataOf(await pod.get<User>('/api/users/me')).fullName))
  expect(await names()).toEqual(['Before', 'Before'])
  // Through the first pod.
  dataOf(await cluster.service().put(`/api/users/${who.id}`, { fullName: 'After' }))
  // The other is told by a notice that may still be in flight; on its own it checks once a minute.
  await expect.poll(names).toEqual(['After', 'After'])
})
