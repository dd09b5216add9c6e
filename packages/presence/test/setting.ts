import { randomUUID } from 'node:crypto'
import { openRedis, type RedisClient, type RedisOptions, redisReady } from '@parley/redis'
import { createTestRedis, type TestRedis } from '@parley/testkit'
import { Cluster } from 'ioredis'
import { expect } from 'vitest'
import { createPresenceReader, Presence, type PresenceOptions, Reaper, type ReaperOptions } from '../src/index.ts'

/** A lease that outlasts a test, however slow the machine is, and a grace that is short enough to wait for. */
export const timing = { leaseMs: 60_000, graceMs: 400 }
/** For a gateway whose lease is to end: short enough to wait for. */
export const short = { leaseMs: 1_500 }
const renewMs = 300

/** A Redis with any number of gateways and reapers, all stopped at the end of the scope. */
export async function setting() {
  const redis: TestRedis = await createTestRedis()
  const endings: (() => Promise<void>)[] = []
  const client = async (options: Partial<RedisOptions> = {}): Promise<RedisClient> => {
    const made = openRedis(redis.url, { name: 'test', retryDelay: () => 50, ...options })
    endings.push(async () => made.disconnect())
    // In tests that have stopped Redis, this starts without it.
    await redisReady(made, 1_000).catch(() => undefined)
    return made
  }

  const gateway = async (options: Partial<PresenceOptions> = {}) => {
    const own = await client()
    const epoch = randomUUID()
    const returned: string[] = []
    const presence = new Presence({
      redis: own,
      epoch,
      ...timing,
      renewMs,
      connectWaitMs: 10_000,
      stopMs: 1_000,
      onOnline: (userId) => returned.push(userId),
      ...options,
    })
    await presence.start()
    endings.push(() => presence.stop())
    // Like SIGKILL as seen from Redis: the gateway falls silent.
    return Object.assign(presence, { epoch, returned, crash: () => own.disconnect() })
  }

  const reaper = async (options: Partial<ReaperOptions> = {}) => {
    const reported: { userId: string; lastSeenAt: Date; at: number }[] = []
    const made = new Reaper({
      redis: await client(),
      ...timing,
      intervalMs: 40,
      confirmMs: 200,
      onOffline: async (userId, lastSeenAt) => void reported.push({ userId, lastSeenAt, at: Date.now() }),
      ...options,
    })
    made.start()
    endings.push(() => made.stop())
    return { reported, stop: () => made.stop() }
  }

  const raw = await client()
  const reader = createPresenceReader({ redis: raw, graceMs: timing.graceMs })
  return {
    redis,
    raw,
    /** Empties Redis: each node if it is a cluster. */
    flush: async () => {
      const nodes = raw instanceof Cluster ? raw.nodes('master') : [raw]
      await Promise.all(nodes.map((node) => node.flushall()))
    },
    reader,
    client,
    gateway,
    reaper,
    /** Whether the lease of a gateway exists. */
    isAlive: async ({ epoch }: { epoch: string }) => (await raw.exists(`presence:lease:${epoch}`)) === 1,
    isOnline: async (userId: string) => (await reader.online([userId])).has(userId),
    async [Symbol.asyncDispose]() {
      for (const end of endings.reverse()) await end()
      await redis[Symbol.asyncDispose]()
    },
  }
}

/** Waits until `read` returns `value`, up to a timeout. */
export async function eventually<T>(read: () => T | Promise<T>, value: T, timeout = 8_000): Promise<void> {
  await expect.poll(read, { timeout, interval: 20 }).toEqual(value)
}

/** Waits until a gateway has renewed its lease, so that its TTL rises. */
export async function renewed(
  { raw }: { raw: Pick<RedisClient, 'pttl'> },
  { epoch }: { epoch: string },
): Promise<void> {
  let left = Number.POSITIVE_INFINITY
  const rises = async () => {
    const before = left
    left = await raw.pttl(`presence:lease:${epoch}`)
    return left > before
  }
  await eventually(rises, true)
}
