import type { RedisAddress } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { noAnswer, within } from '@parley/runtime/within'
import { type JobsOptions, Queue } from 'bullmq'
import { PREFIX, producerConnection } from './connection.ts'
import type { NewJob, QueueName } from './jobs.ts'

/** Jobs sent to Redis in one write. */
const BULK = 500
/** BullMQ waits without bound for a connection that is being made; a producer does not. */
const ADD_BOUND_MS = 10_000
/**
 * Attempts of a job that throws: past these it is dead and shown as failed. They last for a day, as long as a push is worth
 * sending, with half a minute to a minute between two: a database may be away for hours.
 */
const ATTEMPTS = 3_000

export interface ProducerOptions {
  address: RedisAddress
  onError: (error: unknown) => void
}

export interface Producer<Name extends QueueName> {
  /**
   * Adds jobs, many in one write. A job whose id is known already is not added again.
   * @throws while Redis is away; some may have been added then: add them all again
   */
  add(jobs: readonly NewJob<Name>[]): Promise<void>
  /** Jobs by state. */
  counts(): Promise<Record<string, number>>
  /** The jobs that failed for good, the latest first. */
  failed(limit: number): Promise<FailedJob[]>
  /** BullMQ's own object, for its board. */
  readonly queue: Queue
  close(): Promise<void>
}

export interface FailedJob {
  id: string
  name: string
  reason: string
  attempts: number
  failedAt: string | null
}

/** Opens a queue for adding to it. Adding rejects when Redis does not answer in time. */
export function createProducer<Name extends QueueName>(name: Name, options: ProducerOptions): Producer<Name> {
  const connection = producerConnection(options.address, options.onError)
  const queue = new Queue(name, { connection, prefix: PREFIX })
  queue.on('error', options.onError)
  const bounded = <T>(work: Promise<T>) => within(ADD_BOUND_MS, work, noAnswer('the queue', ADD_BOUND_MS))
  return {
    queue,
    async add(jobs) {
      for (const some of partsOf(jobs, BULK)) await bounded(queue.addBulk(some.map(toBulk)))
    },
    counts: () => bounded(queue.getJobCounts()),
    async failed(limit) {
      const jobs = await bounded(queue.getFailed(0, limit - 1))
      return jobs.map((job) => ({
        id: job.id ?? '',
        name: job.name,
        reason: job.failedReason ?? '',
        attempts: job.attemptsMade,
        failedAt: job.finishedOn === undefined ? null : new Date(job.finishedOn).toISOString(),
      }))
    },
    async close() {
      await bounded(queue.close()).catch(options.onError)
      connection.disconnect()
    },
  }
}

function toBulk({ name, data, id, delayMs }: { name: string; data: unknown; id: string; delayMs?: number }) {
  const opts: JobsOptions = {
    jobId: id,
    attempts: ATTEMPTS,
    backoff: { type: 'custom' },
    // Those of all attempts would be megabytes.
    stackTraceLimit: 1,
    ...(delayMs === undefined || delayMs <= 0 ? {} : { delay: Math.ceil(delayMs) }),
  }
  return { name, data, opts }
}
