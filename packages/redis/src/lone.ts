import { setTimeout as delay } from 'node:timers/promises'
import { Redis, type RedisOptions } from 'ioredis'

/** How often an address is asked whether it leads to a primary again, and how long an answer is waited for, in milliseconds. */
const LOOK_MS = 1_000
const ANSWER_MS = 2_000
/** A key that is never there: to remove it is a write, which a replica refuses. */
const NOBODY = 'parley:primary'

/** The connections to each address. */
const connections = new Map<string, Set<LoneRedis>>()
/** Addresses at which a primary is being looked for. */
const looking = new Set<string>()

/**
 * A connection to a lone Redis, or to the address of a primary with replicas. A failover may leave connections to what was the
 * primary open: it refuses writes from then on, takes publishes all the same, and nobody else hears them. The first refusal has
 * the address looked at, and once a new connection finds a primary there, all connections of this process are made anew.
 */
export class LoneRedis extends Redis {
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

  /** As BullMQ has one made, for commands that block. */
  override duplicate(options?: Partial<RedisOptions>): LoneRedis {
    return new LoneRedis(this.#url, { ...this.options, ...options })
  }
}

/** Looks until a primary is found, or nobody is connected any more. One at a time for each address. */
async function lookForPrimary(url: string): Promise<void> {
  if (looking.has(url)) return
  looking.add(url)
  try {
    while (connections.has(url)) {
      if (await leadsToPrimary(url)) {
        for (const redis of connections.get(url) ?? []) if (redis.status === 'ready') redis.disconnect(true)
        return
      }
      await delay(LOOK_MS, undefined, { ref: false })
    }
  } finally {
    looking.delete(url)
  }
}

async function leadsToPrimary(url: string): Promise<boolean> {
  const once = { lazyConnect: true, retryStrategy: null, maxRetriesPerRequest: 0 }
  const redis = new Redis(url, { ...once, connectTimeout: ANSWER_MS, commandTimeout: ANSWER_MS })
  // The command that fails by it says so as well.
  redis.on('error', () => undefined)
  try {
    await redis.connect()
    await redis.del(NOBODY)
    return true
  } catch {
    return false
  } finally {
    redis.disconnect()
  }
}
