import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import pg from 'pg'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'
import { appSettings } from '../src/cluster.ts'
import { startServices } from '../src/service-units.ts'
import { type Running, startPostgres, startRedis, startS3 } from '../src/services/index.ts'
import { describeProcess, isRunning } from '../src/services/process-state.ts'
import { waitUntilGone } from './gone.ts'

let folder = ''
let said: string[] = []
const log = (line: string) => void said.push(line)

beforeEach(async () => {
  said = []
  const mine = await mkdtemp(join(tmpdir(), 'parley-services-'))
  folder = mine
  // Not returned: a function returned by beforeEach runs before onTestFinished, while the services are still writing.
  onTestFinished(() => rm(mine, { recursive: true, force: true }))
})

/** Stops the service at the end of the test, however it ends. */
function held<T extends Running>(service: T): T {
  onTestFinished(() => service.stop())
  return service
}

const postgres = async () => held(await startPostgres({ dataDir: join(folder, 'postgres'), log, durable: false }))
const redis = async () => held(await startRedis({ dataDir: join(folder, 'redis'), log }))

async function query(url: string, sql: string): Promise<unknown[]> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    return (await client.query(sql)).rows
  } finally {
    await client.end()
  }
}

async function withRedis<T>(url: string, work: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis(url)
  try {
    return await work(client)
  } finally {
    client.disconnect()
  }
}

/** Starts a process that runs the three services, and returns their pids. */
async function otherRun(): Promise<{ parent: ChildProcess; pids: number[] }> {
  const parent = fork(fileURLToPath(new URL('./fixtures/services.ts', import.meta.url)), [folder], { execArgv: [] })
  let pids: number[] = []
  onTestFinished(async () => {
    parent.kill('SIGKILL')
    await waitUntilGone(pids)
  })
  ;[pids = []] = await once(parent, 'message')
  return { parent, pids }
}

/** Returns the keeper of a service: its parent. */
async function keeperOf(pid: number): Promise<number> {
  return Number(await describeProcess(pid, 'ppid'))
}

test('Postgres keeps its data across a restart, and can be stopped twice', async () => {
  const first = await postgres()
  await query(first.url, 'create table kept as select 42 as answer')
  await Promise.all([first.stop(), first.stop()])
  expect(await first.exited).toEqual({ code: 0, signal: null })
  const second = await postgres()
  expect(await query(second.url, 'select * from kept')).toEqual([{ answer: 42 }])
})

test('Postgres is reached without TLS, even if the environment requires it for another one', async () => {
  vi.stubEnv('PGSSLMODE', 'require')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { url } = await postgres()
  expect(await query(url, 'select 42 as answer')).toEqual([{ answer: 42 }])
})

test('other settings of the user’s own services do not apply to services started here', async () => {
  const env = {
    ...{ MIGRATE_DATABASE_URL: 'postgres://elsewhere', DATABASE_REPLICA_URL: 'postgres://elsewhere' },
    ...{ REDIS_CLUSTER: 'true', S3_PUBLIC_ENDPOINT: 'https://elsewhere' },
  }
  const stops: (() => Promise<void>)[] = []
  onTestFinished(async () => {
    for (const stop of stops) await stop()
  })
  const services = await startServices({ home: folder, env, print: log, stops })
  const settings = await appSettings(folder, env, services)
  for (const name of Object.keys(env)) expect([name, settings[name]]).toEqual([name, undefined])
})

test('Redis keeps its data across a restart and evicts nothing', async () => {
  const first = await redis()
  await withRedis(first.url, (client) => client.set('kept', 'yes'))
  await first.stop()
  const second = await redis()
  expect(await withRedis(second.url, (client) => client.get('kept'))).toBe('yes')
  expect(await withRedis(second.url, (client) => client.config('GET', 'maxmemory-policy'))).toContain('noeviction')
})

test('S3 keeps its objects across a restart and allows browsers from any origin', async () => {
  const start = async () => held(await startS3({ dataDir: join(folder, 's3'), log }))
  const first = await start()
  await fetch(`${first.endpoint}/parley/a.txt`, { method: 'PUT', body: 'kept' })
  await first.stop()
  const second = await start()
  const answer = await fetch(`${second.endpoint}/parley/a.txt`, { headers: { origin: 'https://chat.example' } })
  expect(await answer.text()).toBe('kept')
  expect(answer.headers.get('access-control-allow-origin')).toMatch(/^(\*|https:\/\/chat\.example)$/)
})

test('killing a run with SIGKILL stops its services', async () => {
  const { parent, pids } = await otherRun()
  expect(pids.map(isRunning)).toEqual([true, true, true])
  parent.kill('SIGKILL')
  await waitUntilGone(pids)
})

test('services whose keepers were killed, too, are found and stopped by the next start', async () => {
  const { parent, pids } = await otherRun()
  const [postmaster = 0, redisServer = 0] = pids
  const keepers = [await keeperOf(postmaster), await keeperOf(redisServer)]
  // Stopped first, so that no keeper sees the parent's end before its own.
  for (const keeper of keepers) process.kill(keeper, 'SIGSTOP')
  parent.kill('SIGKILL')
  for (const keeper of keepers) process.kill(keeper, 'SIGKILL')
  expect([isRunning(postmaster), isRunning(redisServer)]).toEqual([true, true])
  const [server, cache] = await Promise.all([postgres(), redis()])
  expect(said).toContain(`Stopping a Postgres (pid ${postmaster}) that an earlier run left behind`)
  expect(said).toContain(`Stopping a Redis (pid ${redisServer}) that an earlier run left behind`)
  expect(await query(server.url, 'select 1 as one')).toEqual([{ one: 1 }])
  expect(await withRedis(cache.url, (client) => client.ping())).toBe('PONG')
  await waitUntilGone(pids)
})

test('a folder in use by a live run is refused, and that run is not affected', async () => {
  const { parent, pids } = await otherRun()
  await expect(postgres()).rejects.toThrow(`belongs to process ${parent.pid}, which is still running`)
  await expect(redis()).rejects.toThrow(`belongs to process ${parent.pid}, which is still running`)
  expect(pids.map(isRunning)).toEqual([true, true, true])
})

test('a pid file with another program’s pid neither blocks the start nor affects that program', async () => {
  await (await postgres()).stop()
  const bystander = fork(fileURLToPath(new URL('./fixtures/bystander.ts', import.meta.url)), { execArgv: [] })
  onTestFinished(() => void bystander.kill('SIGKILL'))
  await once(bystander, 'spawn')
  const pidFile = join(folder, 'postgres', 'data', 'postmaster.pid')
  await writeFile(pidFile, `${bystander.pid}\n${join(folder, 'postgres', 'data')}\n`)
  const server = await postgres()
  expect(Number.parseInt(await readFile(pidFile, 'utf8'), 10)).toBe(server.pid)
  expect(bystander.exitCode).toBeNull()
})

test('a killed server resolves `exited`, and can be started again after its crash', async () => {
  const first = await postgres()
  await query(first.url, 'create table kept as select 42 as answer')
  first.kill('SIGKILL')
  expect(await first.exited).toEqual({ code: null, signal: 'SIGKILL' })
  const second = await postgres()
  expect(await query(second.url, 'select * from kept')).toEqual([{ answer: 42 }])
})

test('a port in use is an error with the server’s own message', async () => {
  const { port } = await redis()
  await expect(startRedis({ dataDir: null, port, log })).rejects.toThrow(/in use/)
  await expect(startPostgres({ dataDir: join(folder, 'postgres'), port, log, durable: false })).rejects.toThrow(
    /in use/,
  )
})

test('a cluster of another major version is refused, naming it', async () => {
  await (await postgres()).stop()
  await writeFile(join(folder, 'postgres', 'data', 'PG_VERSION'), '17\n')
  await expect(postgres()).rejects.toThrow(/created by Postgres 17, but this is 18/)
})
