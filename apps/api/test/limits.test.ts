import type { Conversation } from '@parley/protocol'
import { apiClient, type Cluster, dataOf, errorOf, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

/* How much one person may ask for: counted over all pods, and not at all while Redis is away. */

const LIMIT = 10
const PEOPLE = 6
const CONVERSATIONS = 3
let cluster: Cluster
beforeAll(async () => {
  const env = {
    HTTP_REQUESTS_PER_10S: String(LIMIT),
    PEOPLE_ADDED_PER_10S: String(PEOPLE),
    CONVERSATIONS_PER_PERSON: String(CONVERSATIONS),
  }
  cluster = await startCluster({ apis: 2, gateways: 0, workers: 0, edge: false, env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Sends requests to the pods in turn. */
async function ask(token: string, times: number) {
  const answers = []
  for (let time = 0; time < times; time++) {
    answers.push(await apiClient(cluster.apis[time % 2]?.url ?? '', token).get('/api/users?limit=1'))
  }
  return answers
}

it('answers RATE_LIMITED past the limit, and says when to retry; others are served', async () => {
  const answers = await ask(cluster.token(user()), LIMIT + 2)
  expect(answers.map(({ status }) => status)).toEqual([...Array.from({ length: LIMIT }, () => 200), 429, 429])
  expect(answers[0]?.headers.get('x-ratelimit-limit')).toBe(String(LIMIT))
  expect(answers[0]?.headers.get('x-ratelimit-remaining')).toBe(String(LIMIT - 1))
  const refused = answers.at(-1)
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0)
  const error = refused && errorOf(refused)
  expect(error).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) })
  expect(error?.retryAfterMs).toBeLessThanOrEqual(10_000)
  expect((await ask(cluster.token(user()), 1))[0]?.status).toBe(200)
  for (const { adminUrl } of cluster.apis) {
    const shown = await (await fetch(`${adminUrl}/metrics`)).text()
    expect(shown.match(/^parley_rate_limited_total.*"http_requests".*$/gm)).toEqual([
      'parley_rate_limited_total{limit="http_requests"} 1',
    ])
  }
})

it('limits how many people a person adds, on creation or later; services are not limited', async () => {
  const [owner, other, ...members] = Array.from({ length: 6 }, () => user())
  if (owner === undefined || other === undefined) throw new RangeError('there are six')
  await cluster.register(owner, other, ...members)
  const { url, adminUrl } = cluster.apis[0] ?? { url: '', adminUrl: '' }
  const participantIds = members.map(({ id }) => id)
  const path = '/api/messages/conversations'
  const group = { type: 'GROUP', participantIds }
  const api = apiClient(url, cluster.token(owner))
  const { id } = dataOf(await api.post<Conversation>(path, { type: 'GROUP', participantIds: [other.id] }))
  dataOf(await api.post(`${path}/${id}/participants`, { userIds: participantIds }))
  for (const refused of [
    await api.post(path, group),
    await api.post(`${path}/${id}/participants`, { userIds: participantIds }),
  ]) {
    expect(refused.status).toBe(429)
    expect(errorOf(refused)).toMatchObject({ code: 'RATE_LIMITED', retryAfterMs: expect.any(Number) })
  }
  // What fits is accepted; each person has their own limit, and services have none.
  dataOf(await api.post(path, { participantIds: [other.id] }))
  dataOf(await apiClient(url, cluster.token(other)).post(path, group))
  for (let time = 0; time < 2; time++) {
    const answer = await fetch(`${url}${path}`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${cluster.token('a server', { role: 'service' })}`,
        'x-act-as': encodeURIComponent(owner.id),
        'content-type': 'application/json',
      },
      body: JSON.stringify(group),
    })
    expect(answer.status).toBe(201)
  }
  expect(await (await fetch(`${adminUrl}/metrics`)).text()).toContain(
    'parley_rate_limited_total{limit="people_added"} 2\n',
  )
})

it('limits how many conversations a user is put into, except by a service', async () => {
  const [popular, ...others] = Array.from({ length: CONVERSATIONS + 2 }, () => user())
  const last = others.at(-1)
  if (popular === undefined || last === undefined) throw new RangeError('there are five')
  await cluster.register(popular, ...others)
  const path = '/api/messages/conversations'
  const participantIds = [popular.id]
  const made = []
  for (const other of others.slice(0, CONVERSATIONS)) {
    made.push(dataOf(await cluster.api(other).post<Conversation>(path, { participantIds })))
  }
  const api = cluster.api(last)
  const { id } = dataOf(await api.post<Conversation>(path, { type: 'GROUP', participantIds: [others[0]?.id] }))
  for (const refused of [
    await api.post(path, { participantIds }),
    await api.post(`${path}/${id}/participants`, { userIds: participantIds }),
    await cluster.api(popular).post(path, { participantIds: [last.id] }),
  ]) {
    expect(refused.status).toBe(409)
    expect(errorOf(refused)).toMatchObject({ code: 'TOO_MANY_CONVERSATIONS', details: { userIds: participantIds } })
  }
  // A conversation that exists already is still returned.
  const again = await cluster.api(popular).post<Conversation>(path, { participantIds: [others[0]?.id] })
  expect([again.status, dataOf(again).id]).toEqual([200, made[0]?.id])
  const byServer = await fetch(`${cluster.url}${path}/${id}/participants`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${cluster.token('a server', { role: 'service' })}`,
      'x-act-as': last.id,
      'content-type': 'application/json',
    },
    body: JSON.stringify({ userIds: participantIds }),
  })
  expect(byServer.status).toBe(200)
})

it('does not count services', async () => {
  const who = user()
  await cluster.register(who)
  const service = cluster.service()
  for (let time = 0; time <= LIMIT; time++) {
    expect((await service.put(`/api/users/${who.id}`, { fullName: who.fullName })).status).toBe(200)
  }
})

it('serves everybody while Redis is away', async () => {
  await cluster.redis.kill()
  try {
    const began = performance.now()
    const answers = await ask(cluster.token(user()), LIMIT + 2)
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: LIMIT + 2 }, () => 200))
    expect(performance.now() - began).toBeLessThan(5_000)
  } finally {
    await cluster.redis.start()
  }
})
