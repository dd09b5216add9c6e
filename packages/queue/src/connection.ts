import { openRedis, type RedisAddress, type RedisClient } from '@parley/redis'

/** Prefixes all keys of all queues; the braces keep them on one node of a Redis Cluster, as BullMQ requires. */
export const PREFIX = '{parley}'

/** Opens a connection for adding jobs: it fails at once while Redis is away, so that the caller can keep the jobs. */
export function producerConnection(address: RedisAddress, onError: (error: Error) => void): RedisClient {
  return openRedis(address, { name: 'queue-producer', queued: false, commandTimeoutMs: 5_000, onError })
}

/** Opens a connection for processing jobs: it waits for Redis indefinitely, as BullMQ requires of a worker's connection. */
export function consumerConnection(address: RedisAddress, onError: (error: Error) => void): RedisClient {
  return openRedis(address, {
    name: 'queue-consumer',
    blocks: true,
    retries: null,
    // Combines the commands of many jobs in one turn of the event loop.
    pipelined: { except: ['bzpopmin'] },
    onError,
  })
}
