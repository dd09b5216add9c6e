import { setTimeout as delay } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'

/** How often to check whether an address leads to a primary again, and how long to wait for an answer, in milliseconds. */
const CHECK_MS = 1_000
const ANSWER_MS = 2_000
/** A key that never exists. Deleting it is a write, which a replica refuses. */
const UNUSED_KEY = 'parley:primary'

/** The open connections to each address. */
const connections = new Map<string, Set<StandaloneRedis>>()
/** The addresses being checked for a primary. */
const searching = new Set<string>()

/**
 * A connection to a standalone Redis, or to the address of a primary with replicas. After a failover, connections to the former
 * primary may stay open: it refuses writes, but still accepts publishes, which then reach nobody. The first refused write starts
 * a search for the new primary, and once a new connection finds it at the address, all connections of this process reconnect.
 */
export class StandaloneRedis extends Redis {
  readonly #url: string

  constructor(url: string, options: RedisOptions) {
    super(url, {
      ...options,
      reconnectOnError: (error) => {
        if (error.message.startsWith('READONLY')) void lookForPrimary(url)
        return false
      },
    })
    this.#url = url
    const same = connections.get(url) ?? new Set()
    connections.set(url, same.add(this))
    this.on('end', () => {
      same.delete(this)
      if (same.size === 0) connections.delete(url)
    })
  }

  /** Called by BullMQ to get a connection for blocking commands. */
  override duplicate(options?: Partial<RedisOptions>): StandaloneRedis {
    return new StandaloneRedis(this.#url, { ...this.options, ...options })
  }
}

/** Searches until a primary is found or all connections have ended. Runs once at a time for each address. */
async function lookForPrimary(url: string): Promise<void> {
  if (searching.has(url)) return
  searching.add(url)
  try {
    while (connections.has(url)) {
      if (await leadsToPrimary(url)) {
        for (const redis of connections.get(url) ?? []) if (redis.status === 'ready') redis.disconnect(true)
        return
      }
      await delay(CHECK_MS, undefined, { ref: false })
    }
  } finally {
    searching.delete(url)
  }
}

async function leadsToPrimary(url: string): Promise<boolean> {
  const once = { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 }
  const redis = new Redis(url, { ...once, connectTimeout: ANSWER_MS, commandTimeout: ANSWER_MS })
  // The command that fails reports the same error.
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    await redis.del(UNUSED_KEY)
    return true
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}
