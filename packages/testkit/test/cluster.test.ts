import { expect, onTestFinished, test, vi } from 'vitest'
import {
  ConnectError,
  collect,
  dataOf,
  disconnected,
  emit,
  next,
  reconnected,
  startCluster,
  user,
} from '../src/index.ts'

const entry = new URL('./fixtures/pod.ts', import.meta.url)
const fixtures = { entries: { api: entry, gateway: entry, worker: entry } }

interface Seen {
  path: string
  authorization: string | null
  DATABASE_URL: string
  REDIS_URL: string
  pid: number
}

test('a cluster serves HTTP and sockets at one address, with its own services', async () => {
  await using cluster = await startCluster(fixtures)
  expect([cluster.apis.length, cluster.gateways.length, cluster.workers.length]).toEqual([1, 2, 1])
  const ahmed = user('Ahmed Hassan')
  const seen = dataOf(await cluster.api(ahmed).get<Seen>('/api/anything'))
  expect(seen).toMatchObject({ path: '/api/anything', DATABASE_URL: cluster.databaseUrl, REDIS_URL: cluster.redisUrl })
  const [, claims = ''] = seen.authorization?.split('.') ?? []
  expect(JSON.parse(Buffer.from(claims, 'base64url').toString())).toMatchObject({
    sub: ahmed.id,
    fullName: 'Ahmed Hassan',
  })
  const socket = await cluster.socket(ahmed)
  const echoed = next(socket, 'echoed')
  expect(await emit(socket, 'echo', { n: 1 })).toEqual({ success: true, data: { n: 1 } })
  expect(await echoed).toEqual({ n: 1 })
})

test('events are awaited by predicate and by count; a timeout lists those received instead', async () => {
  await using cluster = await startCluster({ ...fixtures, gateways: 1, apis: 0, workers: 0 })
  const socket = await cluster.socket('someone', { transports: ['websocket'] })
  const third = next(socket, 'echoed', (n) => n === 3)
  const firstTwo = collect(socket, 'echoed', 2)
  for (const n of [1, 2, 3]) await emit(socket, 'echo', n)
  expect(await third).toBe(3)
  expect(await firstTwo).toEqual([1, 2])
  // Fake timers, so that the timeout only passes once the event has arrived, however slow the machine is.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  onTestFinished(() => void vi.useRealTimers())
  const never = next(socket, 'newMessage', undefined, { timeoutMs: 50 })
  const failed = expect(never).rejects.toThrow(/No newMessage within 50 ms. Events received: echoed/)
  await emit(socket, 'echo', 4)
  vi.advanceTimersByTime(50)
  await failed
  vi.useRealTimers()
})

test('a client of a killed gateway notices and reconnects after the restart', async () => {
  await using cluster = await startCluster({ ...fixtures, apis: 0, workers: 0, edge: false })
  const [, second] = cluster.gateways
  if (!second) throw new Error('there are two gateways')
  const socket = await cluster.socket('someone', { gateway: 1 })
  const before = { pid: second.pid, url: second.url }
  const gone = disconnected(socket)
  await second.kill()
  expect(second.running).toBe(false)
  await gone
  await second.restart()
  await reconnected(socket)
  expect(second.url).toBe(before.url)
  expect(second.pid).not.toBe(before.pid)
})

test('a refused socket rejects with its code', async () => {
  await using cluster = await startCluster({ ...fixtures, gateways: 1, apis: 0, workers: 0 })
  const refused = await cluster.socket('someone', { auth: {} }).catch((error: unknown) => error)
  expect(refused).toBeInstanceOf(ConnectError)
  expect(refused).toMatchObject({ code: 'TOKEN_MISSING' })
})

test('a process that fails to start fails the cluster with its last lines, and nothing is left running', async () => {
  const broken = new URL('./fixtures/broken.ts', import.meta.url)
  const starting = startCluster({ entries: { ...fixtures.entries, worker: broken } })
  await expect(starting).rejects.toThrow(/worker-1 .*\n.*DATABASE_URL is wrong/)
})

test('a disposed cluster leaves nothing behind', async () => {
  const cluster = await startCluster(fixtures)
  const socket = await cluster.socket('someone')
  const ended = disconnected(socket)
  const pods = [...cluster.apis, ...cluster.gateways, ...cluster.workers]
  await cluster[Symbol.asyncDispose]()
  await ended
  expect(pods.filter((pod) => pod.running)).toEqual([])
  await expect(fetch(cluster.url)).rejects.toThrow()
})
