import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { appSettings, prepareFolders } from '../src/cluster.ts'
import { beginningOf, takeLock } from '../src/lock.ts'
import { assertPortFree } from '../src/port-owner.ts'
import { localJwtSecret } from '../src/secrets.ts'

let home: string
let printed: string[] = []
const print = (line: string) => void printed.push(line)
beforeEach(async () => {
  printed = []
  home = await mkdtemp(join(tmpdir(), 'parley-home-'))
})
afterEach(() => rm(home, { recursive: true }))

test('a folder that a live run holds is refused with its pid and address, and free afterwards', async () => {
  const lock = await takeLock(home, 'http://localhost:1', print)
  await lock.update({ address: 'http://localhost:4321' })
  await expect(takeLock(home, 'http://localhost:2', print)).rejects.toThrow(`pid ${process.pid}, http://localhost:4321`)
  await lock.release()
  await (await takeLock(home, 'http://localhost:2', print)).release()
})

test('a run that is stopping is waited for', async () => {
  const lock = await takeLock(home, 'http://localhost:1', print)
  await lock.update({ stopping: true })
  const next = takeLock(home, 'http://localhost:2', async (line) => {
    print(line)
    await lock.release()
  })
  await (await next).release()
  expect(printed).toEqual([`Waiting for the previous run to stop (pid ${process.pid})`])
})

test.each([
  ['a process that is gone', JSON.stringify({ pid: 2 ** 22 + 1, began: '1', address: 'x' })],
  ['another process with its number', JSON.stringify({ pid: process.pid, began: 'long ago', address: 'x' })],
  ['a half-written file', '{"pid": 1'],
])('a lock of %s is taken over', async (_, text) => {
  await writeFile(join(home, 'run.lock'), text)
  await takeLock(home, 'http://localhost:3', print)
  expect(JSON.parse(await readFile(join(home, 'run.lock'), 'utf8'))).toEqual({
    pid: process.pid,
    began: beginningOf(process.pid),
    address: 'http://localhost:3',
    stopping: false,
  })
})

test('of many runs that find a stale lock at once, one gets it', async () => {
  await writeFile(join(home, 'run.lock'), JSON.stringify({ pid: 2 ** 22 + 1, began: '1', address: 'x' }))
  const results = await Promise.allSettled(
    Array.from({ length: 8 }, (_, index) => takeLock(home, `http://x:${index}`, print)),
  )
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

test('the secret is created once, kept, and readable by its owner only', async () => {
  const secret = await localJwtSecret(home)
  expect(secret.length).toBeGreaterThanOrEqual(43)
  expect(await localJwtSecret(home)).toBe(secret)
  expect((await stat(join(home, 'secrets', 'jwt'))).mode & 0o777).toBe(0o600)
})

test('the processes get the user’s own secret, or else this machine’s, and the rest of the environment', async () => {
  const settingsOf = (env: Record<string, string>) => appSettings(home, env, { REDIS_URL: 'redis://here' })
  const { JWT_SECRET: kept } = await settingsOf({})
  expect(kept).toBe(await localJwtSecret(home))
  const own = { JWT_SECRET: 'of my own', CORS_ORIGINS: 'https://a.example', NODE_ENV: 'production', PORT: '4000' }
  expect(await settingsOf(own)).toMatchObject({
    ...{ JWT_SECRET: 'of my own', CORS_ORIGINS: 'https://a.example', REDIS_URL: 'redis://here' },
    ...{ NODE_ENV: 'development', PORT: '0' },
  })
  expect(await settingsOf({ JWT_JWKS_URL: 'https://a.example/keys' })).not.toHaveProperty('JWT_SECRET')
})

test('--fresh deletes the data of earlier runs, but neither secrets nor anything elsewhere', async () => {
  for (const folder of ['postgres', 'redis', 's3']) await mkdir(join(home, folder, 'deep'), { recursive: true })
  await writeFile(join(home, 'demo-seeding'), '')
  const secret = await localJwtSecret(home)
  const env = { DATABASE_URL: 'postgres://elsewhere' }
  await prepareFolders({ home, fresh: false, env, print })
  expect((await readdir(home)).sort()).toEqual(['demo-seeding', 'logs', 'postgres', 'redis', 's3', 'secrets'])
  await prepareFolders({ home, fresh: true, env, print })
  expect((await readdir(home)).sort()).toEqual(['logs', 'secrets'])
  expect(await localJwtSecret(home)).toBe(secret)
  expect(printed.at(-1)).toBe('Data at your own DATABASE_URL is kept')
})

test('the error for a port in use names its owner and the way out', async () => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await expect(assertPortFree('127.0.0.1', port)).rejects.toThrow(
    new RegExp(`^Port ${port} is in use by .*pid ${process.pid}.*--port`, 's'),
  )
  await new Promise((resolve) => server.close(resolve))
  await assertPortFree('127.0.0.1', port)
})
