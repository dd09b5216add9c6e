import { setTimeout as delay } from 'node:timers/promises'
import { type Database, openDatabase, type Queryable, ReplicaReads } from '@parley/db'
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest'
import { createTestDatabase, type TcpProxy, type TestDatabase, tcpProxy } from '../src/index.ts'

/*
 * One server under two names, one of them behind a proxy, distinguished by application_name: what matters here is which is
 * queried. apps/api/test/replica.test.ts uses a real standby.
 * asked. apps/api/test/replica.test.ts has a standby.
 */

let database: TestDatabase
let proxy: TcpProxy
let primary: Database
let replica: Database
let reads: ReplicaReads
let now: number
let notes: string[]

beforeAll(async () => {
  database = await createTestDatabase()
  const { hostname, port } = new URL(database.url)
  proxy = await tcpProxy({ host: hostname, port: Number(port) })
})
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]()
  await database?.[Symbol.asyncDispose]()
})

beforeEach(() => {
  proxy.restore()
  primary = openDatabase({ url: database.url, max: 2, applicationName: 'primary' })
  replica = openDatabase({
    url: proxy.rewrite(database.url),
    max: 2,
    applicationName: 'replica',
    connectTimeoutMs: 200,
    queryTimeoutMs: 200,
  })
  const [mine, other] = [primary, replica]
  onTestFinished(async () => void (await Promise.all([mine.close(), other.close()])))
  now = 1_000
  notes = []
  reads = new ReplicaReads({
    primary,
    replica,
    onAway: () => notes.push('away'),
    onBack: () => notes.push('back'),
    now: () => now,
  })
})

async function whoAnswers(db: Queryable): Promise<string> {
  const { rows } = await db.query<{ name: string }>("select current_setting('application_name') as name")
  return rows[0]?.name ?? ''
}

it('reads from the replica, and from the primary what the replica does not have yet', async () => {
  expect(await reads.query(whoAnswers)).toBe('replica')
  expect(await reads.query(whoAnswers, (who) => who === 'primary')).toBe('primary')
  expect(reads.counts).toEqual({ replica: 1, behind: 1, away: 0 })
  expect(notes).toEqual([])
})

it('does not use a failed replica for three seconds, and then lets one read try it', async () => {
  expect(await reads.query(whoAnswers)).toBe('replica')
  proxy.cut()
  expect(await reads.query(whoAnswers)).toBe('primary')
  proxy.restore()
  now += 2_999
  expect(await reads.query(whoAnswers)).toBe('primary')
  now += 1
  const both = await Promise.all([reads.query(whoAnswers), reads.query(whoAnswers)])
  expect(both).toEqual(['replica', 'primary'])
  expect(await reads.query(whoAnswers)).toBe('replica')
  expect(notes).toEqual(['away', 'back'])
})

it('does not wait long for an unresponsive replica, and reports it once', async () => {
  expect(await reads.query(whoAnswers)).toBe('replica')
  proxy.stall()
  const answers = Promise.all(Array.from({ length: 6 }, () => reads.query(whoAnswers)))
  const late = delay(2_000, 'late', { ref: false })
  expect(await Promise.race([answers, late])).toEqual(Array.from({ length: 6 }, () => 'primary'))
  expect(await reads.query(whoAnswers)).toBe('primary')
  expect(notes).toEqual(['away'])
})

it('reads from the primary if the replica lacks what this version needs', async () => {
  const read = async (db: Queryable) => {
    if ((await whoAnswers(db)) === 'replica') await db.query('select * from a_table_of_a_later_version')
    return 'answered'
  }
  expect(await reads.query(read)).toBe('answered')
  expect(await reads.query(whoAnswers)).toBe('primary')
})

it('passes on the primary’s error for a wrong statement', async () => {
  await expect(reads.query((db) => db.query('select * from no_such_table'))).rejects.toMatchObject({ code: '42P01' })
})

it('keeps using a replica after a read conflicted with replay', async () => {
  let asked = 0
  const read = async (db: Queryable) => {
    if (asked++ === 0) await db.query("do $$ begin raise sqlstate '40001'; end $$")
    return whoAnswers(db)
  }
  expect(await reads.query(read)).toBe('primary')
  expect(await reads.query(whoAnswers)).toBe('replica')
})
