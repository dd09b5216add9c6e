import { openRedis, type RedisAddress, type RedisClient } from '@parley/redis'

/** All keys of all queues; the braces put them on one node of a Redis Cluster, as BullMQ needs it. */
export const PREFIX = '{parley}'

/** For adding jobs: fails at once while Redis is away, so that the caller can keep what it has. */
export function producerConnection(address: RedisAddress, onError: (error: Error) => void): RedisClient {
  return openRedis(address, { name: 'queue-producer', queued: false, commandTimeoutMs: 5_000, onError })
}

/** For working on jobs: waits for Redis as long as it takes, which is what BullMQ asks of a worker's connection. */
export function consumerConnection(address: RedisAddress, onError: (error: Error) => void): RedisClient {
  return openRedis(address, {
    name: 'queue-consumer',
    blocks: true,
    retries: null,
    // What many jobs say in one turn of the event loop goes out in one write.
    pipelined: { except: ['bzpopmin'] },
    onError,
  })
}
