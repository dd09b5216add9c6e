import { freePort, type RedisService, startRedis } from '@parley/local/services'
import { openRedis, type RedisClient, redisReady } from '@parley/redis'
import { Redis } from 'ioredis'
import { providedServices } from './provided.ts'
import { redisCluster } from './redis-cluster.ts'
import { type RedisTls, redisTls } from './tls.ts'

/** A Redis of one's own: tests may take it away and bring it back. */
export interface TestRedis extends AsyncDisposable {
  readonly url: string
  /** Ends the server as a crash would. Its data is gone; connections are cut. Resolves when it has ended. */
  kill(): Promise<void>
  /** Brings a killed server back on the same address, empty. */
  start(): Promise<void>
  /** Freezes the server: connections stay open and nobody answers. */
  pause(): Promise<void>
  resume(): Promise<void>
}

/**
 * Starts an empty Redis: as the profile has it, a cluster for `redis-cluster`. With `TEST_REDIS_URL` it is that server, emptied first and shared with whoever runs at the
 * same time; then it can be neither killed nor paused.
 */
export async function createTestRedis(): Promise<TestRedis> {
  const { mode, profile, sharedRedisUrl, tls } = providedServices()
  if (profile === 'redis-cluster') return redisCluster()
  if (profile === 'tls' && tls !== null) return ownRedis(redisTls(tls))
  if (sharedRedisUrl !== null) return sharedServer(sharedRedisUrl)
  if (mode === 'local') return ownRedis()
  // Loaded only where it is used: testcontainers is large.
  const { redisInContainer } = await import('./containers.ts')
  return redisInContainer()
}

const log = (line: string) => console.log(line)

/** A Redis of one's own on this machine; needs no Vitest. */
export async function ownRedis(tls?: RedisTls): Promise<TestRedis> {
  const own = tls && (await freePort())
  const options = { dataDir: null, log, ...(own && { port: own, settings: tls.settings(own) }) }
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
      // A frozen process would let the stop run into its time limit.
      server.kill('SIGKILL')
      await server.stop()
    },
  }
}

/** A client of a test's Redis, lone or a cluster, once its connection stands. The caller disconnects it. */
export async function redisClient(url: string): Promise<RedisClient> {
  const client = openRedis(url, { name: 'test', retries: null })
  await redisReady(client, 30_000)
  return client
}

async function sharedServer(url: string): Promise<TestRedis> {
  await withClient(url, (client) => client.flushdb())
  const refuse = async () => {
    throw new Error('The Redis of TEST_REDIS_URL is shared: this test needs one of its own')
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

/** Connects, waiting some seconds for a server that is just starting, and disconnects after the work. */
export async function withClient(url: string, work: (client: Redis) => Promise<unknown>): Promise<void> {
  const client = new Redis(url, { lazyConnect: true, retryStrategy: (times) => (times > 50 ? null : 100) })
  client.on('error', () => undefined)
  try {
    await work(client)
  } finally {
    client.disconnect()
  }
}
