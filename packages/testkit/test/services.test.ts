import { Redis } from 'ioredis'
import pg from 'pg'
import { expect, test } from 'vitest'
import { createTestBucket, createTestDatabase, createTestRedis, providedServices } from '../src/index.ts'

test('two test databases are separate migrated copies', async () => {
  await using one = await createTestDatabase()
  await using two = await createTestDatabase()
  await one.sql.query('create table only_here (id int)')
  const tables = "select table_name from information_schema.tables where table_schema = 'public'"
  const namesOf = async (pool: pg.Pool) =>
    (await pool.query<{ table_name: string }>(tables)).rows.map((r) => r.table_name)
  expect(await namesOf(one.sql)).toContain('only_here')
  const names = await namesOf(two.sql)
  expect(names).not.toContain('only_here')
  expect(names).toContain('messages')
})

test('a disposed test database is gone, and open connections are closed', async () => {
  const database = await createTestDatabase()
  const client = new pg.Client({ connectionString: database.url })
  client.on('error', () => undefined)
  await client.connect()
  const ended = new Promise<void>((resolve) => client.once('end', () => resolve()))
  await database[Symbol.asyncDispose]()
  await ended
  await expect(new pg.Client({ connectionString: database.url }).connect()).rejects.toThrow(/does not exist/)
})

test('the database folds the case of all letters, not only ASCII', async () => {
  await using database = await createTestDatabase()
  const { rows } = await database.sql.query("select lower('ÄÇД') as low, 'Ж' ilike 'ж' as alike")
  expect(rows).toEqual([{ low: 'äçд', alike: true }])
})

test('a killed Redis is empty when started again at the same address', async () => {
  await using redis = await createTestRedis()
  // With TEST_REDIS_URL, others use the server as well.
  if (providedServices().sharedRedisUrl !== null) return expect(redis.kill()).rejects.toThrow(/is shared/)
  const client = new Redis(redis.url, { maxRetriesPerRequest: null, retryStrategy: () => 20 })
  client.on('error', () => undefined)
  await client.set('key', 'value')
  const closed = new Promise<void>((resolve) => client.once('close', () => resolve()))
  await redis.kill()
  await closed
  const value = client.get('key')
  await redis.start()
  expect(await value).toBeNull()
  client.disconnect()
})

test('a test bucket stores and returns an object', async () => {
  const bucket = await createTestBucket()
  if (bucket === null) throw new Error('this run has no S3 server')
  const url = `${bucket.endpoint}/${bucket.bucket}/hello.txt`
  expect((await fetch(url, { method: 'PUT', body: 'hello' })).status).toBe(200)
  expect(await (await fetch(url)).text()).toBe('hello')
})
