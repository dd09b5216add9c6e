import { Redis } from 'ioredis'

/** All keys of all queues; the braces put them on one node of a Redis Cluster, as BullMQ needs it. */
export const PREFIX = '{parley}'

/** For adding jobs: fails at once while Redis is away, so that the caller can keep what it has. */
export function producerConnection(url: string): Redis {
  return new Redis(url, {
    connectionName: 'queue-producer',
    maxRetriesPerRequest: 1,
    enableOfflineQueue: false,
    commandTimeout: 5_000,
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  })
}

/** For working on jobs: waits for Redis as long as it takes, which is what BullMQ asks of a worker's connection. */
export function consumerConnection(url: string): Redis {
  return new Redis(url, {
    connectionName: 'queue-consumer',
    maxRetriesPerRequest: null,
    // What many jobs say in one turn of the event loop goes out in one write.
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: ['bzpopmin'],
    retryStrategy: (times) => Math.min(times * 100, 2_000),
  })
}
