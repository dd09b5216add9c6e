import { freePort, type RedisService, startRedis } from '@parley/local/services'
import { openRedis, type RedisClient, redisReady } from '@parley/redis'
import { Redis } from 'ioredis'
import { providedServices } from './provided.ts'
import { redisCluster } from './redis-cluster.ts'
import { type RedisTls, redisTls } from './tls.ts'

/** A Redis for one test, which the test may stop and start. */
export interface TestRedis extends AsyncDisposable {
  readonly url: string
  /** Ends the server like a crash: its data is lost and connections break. Resolves when it has exited. */
  kill(): Promise<void>
  /** Starts a killed server again at the same address, empty. */
  start(): Promise<void>
  /** Suspends the server: connections stay open without answers. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/**
 * Starts an empty Redis; in the profile `redis-cluster`, a cluster. With `TEST_REDIS_URL` it is that server instead, emptied
 * first and shared with other tests, and it can be neither killed nor paused.
 */
export async function createTestRedis(): Promise<TestRedis> {
  const { mode, profile, sharedRedisUrl, tls } = providedServices()
  if (profile === 'redis-cluster') return redisCluster()
  if (profile === 'tls' && tls !== null) return ownRedis(redisTls(tls))
  if (sharedRedisUrl !== null) return sharedServer(sharedRedisUrl)
  if (mode === 'local') return ownRedis()
  // Imported on demand: testcontainers is large.
  const { redisInContainer } = await import('./containers.ts')
  return redisInContainer()
}

const log = (line: string) => console.log(line)

/** Starts a Redis on this machine for one test; works outside Vitest. */
export async function ownRedis(tls?: RedisTls): Promise<TestRedis> {
  const tlsPort = tls && (await freePort())
  const options = { dataDir: null, log, ...(tlsPort && { port: tlsPort, settings: tls.settings(tlsPort) }) }
  let server: RedisService = await startRedis(options)
  const { port } = server
  const url = tls?.url(port) ?? server.url
  return {
    url,
    kill: async () => {
      server.kill('SIGKILL')
      await server.exited
    },
    start: async () => {
      server = await startRedis({ ...options, port })
    },
    pause: async () => void server.kill('SIGSTOP'),
    resume: async () => void server.kill('SIGCONT'),
    [Symbol.asyncDispose]: async () => {
      // Stopping a suspended process would time out.
      server.kill('SIGKILL')
      await server.stop()
    },
  }
}

/** Connects to a test's Redis, standalone or a cluster. The caller disconnects the client. */
export async function redisClient(url: string): Promise<RedisClient> {
  const client = openRedis(url, { name: 'test', retries: null })
  await redisReady(client, 30_000)
  return client
}

async function sharedServer(url: string): Promise<TestRedis> {
  await withClient(url, (client) => client.flushdb())
  const refuse = async () => {
    throw new Error('The Redis of TEST_REDIS_URL is shared: this test needs its own')
  }
  return {
    url,
    kill: refuse,
    start: refuse,
    pause: refuse,
    resume: refuse,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Runs `work` with a connection; waits some seconds for a server that is starting. */
export async function withClient(url: string, work: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: (times) => (times > 50 ? null : 100) })
  client.on('error', () => undefined)
  try {
    await work(client)
  } finally {
    client.disconnect()
  }
}
