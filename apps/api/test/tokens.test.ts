import { openDatabase } from '@parley/db'
import { TokenRevocations } from '@parley/messaging'
import { apiClient, type Cluster, dataOf, errorOf, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

/* POST /api/users/:userId/revoke-tokens: what was issued before a moment counts in no pod any more. */

const now = () => Math.floor(Date.now() / 1_000)
let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ apis: 2, gateways: 0, workers: 0, edge: false })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Returns each pod’s answer to a token. */
function statuses(token: string): Promise<number[]> {
  return Promise.all(cluster.apis.map(async ({ url }) => (await apiClient(url, token).get('/api/users/me')).status))
}

it('makes every pod refuse older tokens, but not newer ones or other people’s', async () => {
  const [who, other] = [user(), user()]
  const [old, fresh] = [cluster.token(who, { iat: now() - 100 }), cluster.token(who)]
  const others = cluster.token(other, { iat: now() - 100 })
  for (const token of [old, fresh, others]) expect(await statuses(token)).toEqual([200, 200])
  const before = (now() - 50) * 1_000
  const answer = await cluster.service().post(`/api/users/${who.id}/revoke-tokens`, { before })
  const tokensValidFrom = new Date(before).toISOString().replace('Z', '000Z')
  expect(dataOf(answer)).toEqual({ userId: who.id, tokensValidFrom })
  // The other pod is told by a notice that may still be in flight; on its own it checks after half a minute.
  await expect.poll(() => statuses(old)).toEqual([401, 401])
  expect(errorOf(await apiClient(cluster.url, old).get('/api/users/me'))).toMatchObject({
    code: 'TOKEN_INVALID',
    message: 'The token was revoked.',
  })
  for (const token of [fresh, others]) expect(await statuses(token)).toEqual([200, 200])
})

it('without a time revokes all tokens until now, including those without iat', async () => {
  const who = user()
  const iat = now() - 1
  dataOf(await cluster.service().post(`/api/users/${who.id}/revoke-tokens`))
  expect(await statuses(cluster.token(who, { iat }))).toEqual([401, 401])
  expect(await statuses(cluster.token(who, { iat: undefined }))).toEqual([401, 401])
  expect(await statuses(cluster.token(who, { iat: now() + 1 }))).toEqual([200, 200])
})

it('never moves backwards', async () => {
  const path = `/api/users/${user().id}/revoke-tokens`
  const later = dataOf(await cluster.service().post<{ tokensValidFrom: string }>(path))
  expect(dataOf(await cluster.service().post(path, { before: '2020-01-01T00:00:00Z' }))).toEqual(later)
})

it('is for services only, and not for times in the future', async () => {
  const who = user()
  const path = `/api/users/${who.id}/revoke-tokens`
  expect(errorOf(await cluster.api(who).post(path)).code).toBe('FORBIDDEN')
  const before = new Date(Date.now() + 3_600_000).toISOString()
  expect(errorOf(await cluster.service().post(path, { before })).code).toBe('VALIDATION_FAILED')
})

it('also reaches a process that is told during a look-up, and within half a minute one that is never told', async () => {
  const db = openDatabase({ url: cluster.databaseUrl, max: 2, applicationName: 'test' })
  const deaf = () => new TokenRevocations({ db, tell: () => undefined })
  const [one, other, late] = [deaf(), deaf(), deaf()]
  const revoked = { code: 'TOKEN_INVALID' }
  const issuedAt = new Date('2025-12-11T10:30:00Z')
  const validFrom = issuedAt.getTime() + 1_000
  const token = { userId: user().id, issuedAt }
  const start = Date.now()
  await other.require(token, start)
  await one.revoke(token.userId, new Date(validFrom).toISOString())
  await expect(one.require(token)).rejects.toMatchObject(revoked)
  await one.require({ ...token, issuedAt: new Date(validFrom) })
  await other.require(token, start + 29_999)
  await expect(other.require(token, start + 30_000)).rejects.toMatchObject(revoked)

  const theirs = { userId: user().id, issuedAt }
  const looking = late.require(theirs)
  late.note({ userId: theirs.userId, validFrom })
  await expect(looking).rejects.toMatchObject(revoked)
  late.note({ userId: theirs.userId, validFrom: 1 })
  await expect(late.require(theirs)).rejects.toMatchObject(revoked)
  await db.close()
})
