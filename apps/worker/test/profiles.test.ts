import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import {
  createTestDatabase,
  ownRedis,
  redisClient,
  redisCluster,
  securedServices,
  startCluster,
  throughPgBouncer,
} from '@parley/testkit'
import { expect, it } from 'vitest'
import { everythingOnce } from './everything-once.ts'

/*
 * A whole cluster on unusual services: everything that uses Redis or the database, once. `npm run test:profiles` runs all other
 * tests on them.
 */

it('Redis Cluster', async () => {
  await using redis = await redisCluster()
  await everythingOnce({ services: { redis } })
})

it('PgBouncer in transaction mode', async () => {
  await using database = await createTestDatabase()
  await using pooled = await throughPgBouncer(database)
  await everythingOnce({ services: { database: pooled } })
})

it.each([
  ['redis://a:6379,redis://:hunter2@b:6379', 'it should have the same scheme, user and password for all nodes'],
  ['redis://a:6379/1,redis://b:6379/1', 'it should name no database'],
])('inconsistent addresses of Redis Cluster nodes are a settings error: %s', async (REDIS_URL, problem) => {
  const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
  const { code, stdout, stderr } = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
    execFile(process.execPath, [main], { env: { REDIS_URL } }, (error, stdout, stderr) =>
      resolve({ code: error?.code, stdout, stderr }),
    )
  })
  expect({ code, stdout, lines: stderr.trim().split('\n') }).toEqual({
    code: 78,
    stdout: '',
    lines: [expect.stringContaining(`settings: REDIS_URL is wrong: ${problem}`)],
  })
  expect(stderr).not.toContain('hunter2')
})

/** The grants that docs/OPERATIONS.md lists for the role of the processes. */
async function grantsOf(role: string): Promise<string> {
  return (await fromOperations(/```sql\n(GRANT[^`]*)```/)).replaceAll('parley_app', role)
}

async function fromOperations(pattern: RegExp): Promise<string> {
  const page = await readFile(new URL('../../../docs/OPERATIONS.md', import.meta.url), 'utf8')
  const [, found] = pattern.exec(page) ?? []
  if (found === undefined) throw new Error(`no ${pattern} in OPERATIONS.md`)
  return found
}

it('a role of Postgres without rights on the schema itself', async () => {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await createTestDatabase())
  const role = `role_${randomUUID().slice(0, 8)}`
  await database.sql.query(`create role ${role} login password 'secret'`)
  undo.defer(async () => void (await database.sql.query(`drop owned by ${role}; drop role ${role}`)))
  await database.sql.query(await grantsOf(role))
  const url = new URL(database.url)
  url.username = role
  url.password = 'secret'
  await everythingOnce({ services: { database: { url: url.href, sql: database.sql } } })
  const { rows } = await database.sql.query(
    'select count(*)::int as owned from pg_class where relowner = $1::regrole',
    [role],
  )
  expect(rows).toEqual([{ owned: 0 }])
})

/** Starts a Redis, database 3, with a user that has these rights and a password that needs URL encoding. */
async function redisOfUser(...rights: string[]) {
  const redis = await ownRedis()
  const password = 'p@ss:w/rd,#1?&%'
  const administrator = await redisClient(redis.url)
  await administrator.call('ACL', 'SETUSER', 'parley', 'on', `>${password}`, ...rights)
  administrator.disconnect()
  const login = { username: 'parley', password: encodeURIComponent(password), pathname: '/3' }
  return { ...redis, url: Object.assign(new URL(redis.url), login).href }
}

it('a user of Redis with the rights of OPERATIONS.md and no others', async () => {
  const rights = await fromOperations(/ACL SETUSER parley on >PASSWORD ([^\n]*)/)
  await using redis = await redisOfUser(...rights.split(' '))
  await everythingOnce({ services: { redis } })
})

it.each([
  ['apis', ['~*', '+@all'], 'SPUBLISH socket.io#/#nobody# '],
  ['gateways', ['~parley:*', '~presence:*', '&*', '+@all'], 'EVAL return 1 1 {parley}:nobody'],
  ['workers', ['~*', '&*', '+@all', '-info'], 'INFO'],
])('%s do not start as a user of Redis with the rights %j', async (app, rights, asked) => {
  await using redis = await redisOfUser(...rights)
  const cluster = startCluster({ apis: 0, gateways: 0, workers: 0, edge: false, [app]: 1, services: { redis } })
  await expect(cluster).rejects.toThrow(`settings: REDIS_URL leads to a Redis that refuses “${asked}”: NOPERM`)
})

// First creates its own database cluster and Redis Cluster.
it('TLS and passwords: Postgres, Redis Cluster, S3', async () => {
  await using secured = await securedServices()
  const trusted = process.env.NODE_EXTRA_CA_CERTS
  // The push service's CA file is extended by this one.
  process.env.NODE_EXTRA_CA_CERTS = secured.caFile
  try {
    await everythingOnce({ services: secured, env: secured.env })
  } finally {
    if (trusted === undefined) delete process.env.NODE_EXTRA_CA_CERTS
    else process.env.NODE_EXTRA_CA_CERTS = trusted
  }
})
