import type { Conversation, Message, SearchHit } from '@parley/protocol'
import {
  type Cluster,
  dataOf,
  direct,
  type OwnPostgres,
  ownPostgres,
  standbyOf,
  startCluster,
  type TestStandby,
  user,
} from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

/*
 * History and search with a standby that follows by streaming replication. The tests build on each other: it serves, lags,
 * crashes, and comes back.
 */

const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
let primary: OwnPostgres
let standby: TestStandby
let cluster: Cluster
let conversation: Conversation

beforeAll(async () => {
  const log = (line: string) => console.log(line)
  primary = await ownPostgres(log)
  standby = await standbyOf(primary, log)
  cluster = await startCluster({
    gateways: 0,
    edge: false,
    services: { database: primary },
    env: { DATABASE_REPLICA_URL: standby.url },
  })
  conversation = await direct(cluster, ahmed, fatima)
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await standby?.[Symbol.asyncDispose]()
  await primary?.[Symbol.asyncDispose]()
})

const pathOf = () => `/api/messages/conversations/${conversation.id}/messages`

async function send(content: string): Promise<Message> {
  return dataOf(await cluster.api(ahmed).post<Message>(pathOf(), { content }))
}
async function contents(query = ''): Promise<string[]> {
  return dataOf(await cluster.api(fatima).get<Message[]>(`${pathOf()}${query}`)).map(({ content }) => content)
}
async function found(query: string): Promise<string[]> {
  const hits = dataOf(await cluster.api(fatima).get<SearchHit[]>(`/api/messages/search?query=${query}`))
  return hits.map(({ content }) => content)
}
/** Resolves when the worker has indexed a message on the primary. */
async function indexed({ seq }: Message): Promise<void> {
  const text = 'select from message_search where conversation_id = $1 and $2 between from_seq and to_seq'
  await expect.poll(async () => (await primary.sql.query(text, [conversation.id, seq])).rowCount).toBe(1)
}
/** Returns the api’s counters of reads meant for the replica, by what answered. */
async function answers(): Promise<Record<string, number>> {
  const text = await (await fetch(`${cluster.apis[0]?.adminUrl}/metrics`)).text()
  const shown = text.matchAll(/^parley_replica_reads_total\{answer="(\w+)"\} (\d+)$/gm)
  return Object.fromEntries([...shown].map(([, answer = '', count]) => [answer, Number(count)]))
}
/** Resolves when the replica has answered: on a slow machine, connecting may take longer than the api waits. */
async function replicaServes(): Promise<void> {
  const served = async () => {
    await contents()
    return (await answers()).replica
  }
  await expect.poll(served).toBeGreaterThan(0)
}
/** Returns by how much the counters have grown. */
async function grownSince(before: Record<string, number>): Promise<Record<string, number>> {
  return Object.fromEntries(Object.entries(await answers()).map(([name, count]) => [name, count - (before[name] ?? 0)]))
}
/** Returns the last statement of each of the api's connections to a server, if it started after `since`. */
async function statementsAt(server: Pick<OwnPostgres, 'sql'>, since: Date): Promise<string> {
  const { rows } = await server.sql.query<{ query: string }>(
    `select query from pg_stat_activity
     where datname = 'parley' and application_name like 'parley-api%' and query_start > $1`,
    [since],
  )
  return rows.map(({ query }) => query).join('\n')
}
async function health(): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${cluster.apis[0]?.adminUrl}/health/ready`)
  return { status: response.status, body: await response.json() }
}

it('serves pages and search; permissions and read marks come from the primary', async () => {
  await send('one')
  const newest = await send('two lighthouses')
  await indexed(newest)
  await standby.caughtUp()
  await replicaServes()
  const [before, since] = [await answers(), new Date()]
  expect(await contents()).toEqual(['one', 'two lighthouses'])
  // Before metrics are scraped, which checks the dependencies.
  expect(await statementsAt(standby, since)).toContain('from messages m')
  expect(await statementsAt(primary, since)).not.toContain('from messages m')
  expect(await grownSince(before)).toEqual({ replica: 1, behind: 0, away: 0 })
  expect(await found('lighthouses')).toEqual(['two lighthouses'])
  expect(await statementsAt(standby, since)).toContain('join messages m')
  // The primary may have been asked earlier for a list's last messages (`join messages m`).
  expect(await statementsAt(primary, since)).not.toMatch(/search_slices|from messages m/)
  // One index query, and the messages found.
  expect(await grownSince(before)).toEqual({ replica: 3, behind: 0, away: 0 })
  const stranger = await cluster.api(user('Omar')).get(pathOf())
  expect(stranger.status).toBe(404)
  expect(await health()).toMatchObject({ status: 200, body: { checks: { replica: 'ok' } } })
})

it('lags: history and read marks are up to date at once, search later', async () => {
  await standby.pause()
  const before = await answers()
  const third = await send('three lighthouses')
  await indexed(third)
  expect(await contents()).toEqual(['one', 'two lighthouses', 'three lighthouses'])
  expect(await contents('?limit=1')).toEqual(['three lighthouses'])
  expect(await contents('?afterSeq=2')).toEqual(['three lighthouses'])
  expect((await answers()).behind).toBe((before.behind ?? 0) + 3)
  // The replica has an older page.
  expect(await contents('?beforeSeq=3')).toEqual(['one', 'two lighthouses'])
  expect((await answers()).replica).toBe((before.replica ?? 0) + 1)
  const read = `/api/messages/conversations/${conversation.id}/read`
  dataOf(await cluster.api(fatima).post(read, { messageId: third.id }))
  const [older] = dataOf(await cluster.api(ahmed).get<Message[]>(`${pathOf()}?beforeSeq=3&limit=1`))
  expect(older?.readBy).toEqual([ahmed.id, fatima.id])
  expect(await found('lighthouses')).toEqual(['two lighthouses'])
  await standby.resume()
  await standby.caughtUp()
  expect(await found('lighthouses')).toEqual(['three lighthouses', 'two lighthouses'])
})

it('lacks the epoch of a primary that lost commits: history and search are read from the primary', async () => {
  await standby.pause()
  const before = await answers()
  // As a promotion begins one, that this standby does not get.
  await primary.sql.query(
    `insert into epochs (id, lossy, began_at, system_id, timeline, database_oid, messages_oid, started_at)
     select 'another', true, now(), system_id, timeline, database_oid, messages_oid, started_at
     from epochs order by no desc limit 1`,
  )
  const read = async () => {
    expect(await contents()).toHaveLength(3)
    expect(await found('lighthouses')).toHaveLength(2)
    return answers()
  }
  await expect.poll(async () => (await read()).behind).toBeGreaterThan(before.behind ?? 0)
  const noticed = await answers()
  expect(await read()).toMatchObject({ replica: noticed.replica, behind: (noticed.behind ?? 0) + 3 })
  await standby.resume()
  await expect.poll(async () => (await read()).replica).toBeGreaterThan(noticed.replica ?? 0)
})

it('crashes: no request fails; the pod stays ready and reports what is missing', async () => {
  const all = ['one', 'two lighthouses', 'three lighthouses']
  let over = false
  const readers = Array.from({ length: 4 }, async () => {
    let pages = 0
    for (; !over; pages++) expect(await contents()).toEqual(all)
    return pages
  })
  await standby.crash()
  expect(await contents()).toEqual(all)
  expect(await found('lighthouses')).toEqual(['three lighthouses', 'two lighthouses'])
  over = true
  for (const pages of await Promise.all(readers)) expect(pages).toBeGreaterThan(0)
  expect((await answers()).away).toBeGreaterThan(0)
  await expect.poll(health).toMatchObject({ status: 200, body: { checks: { replica: 'away' } } })
})

it('is used again when it is back', async () => {
  await standby.start()
  await standby.caughtUp()
  const before = (await answers()).replica ?? 0
  await expect
    .poll(async () => {
      await contents()
      return (await answers()).replica
    })
    .toBeGreaterThan(before)
  const { away } = await answers()
  expect(await contents()).toHaveLength(3)
  expect(await found('lighthouses')).toHaveLength(2)
  expect((await answers()).away).toBe(away)
})
