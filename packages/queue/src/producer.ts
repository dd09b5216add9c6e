import type { RedisAddress } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { noAnswer, within } from '@parley/runtime/within'
import { type JobsOptions, Queue } from 'bullmq'
import { PREFIX, producerConnection } from './connection.ts'
import type { NewJob, QueueName } from './jobs.ts'

/** Jobs per write to Redis. */
const BULK = 500
/** Time limit for an operation. BullMQ itself would wait for a connection indefinitely. */
const ADD_BOUND_MS = 10_000
/**
 * Attempts for a job that throws, before it counts as failed. They last for a day, as long as a push is worth sending, at
 * intervals of half a minute to a minute: a database may be away for hours.
 */
const ATTEMPTS = 3_000

export interface ProducerOptions {
  address: RedisAddress
  onError: (error: unknown) => void
}

export interface Producer<Name extends QueueName> {
  /**
   * Adds jobs, many per write. A job whose id is already known is not added again.
   * @throws while Redis is away. Some jobs may have been added then: add all of them again
   */
  add(jobs: readonly NewJob<Name>[]): Promise<void>
  /** Returns the number of jobs by state. */
  counts(): Promise<Record<string, number>>
  /** Returns the jobs that failed for good, latest first. */
  failed(limit: number): Promise<FailedJob[]>
  /** BullMQ's queue, for its dashboard. */
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

/** Opens a queue for adding jobs. Operations reject if Redis does not respond in time. */
export function createProducer<Name extends QueueName>(name: Name, options: ProducerOptions): Producer<Name> {
  const connection = producerConnection(options.address, options.onError)
  const queue = new Queue(name, { connection, prefix: PREFIX })
  queue.on('error', options.onError)
  const bounded = <T>(work: Promise<T>) => within(ADD_BOUND_MS, work, noAnswer('the queue', ADD_BOUND_MS))
  return {
    queue,
    async add(jobs) {
      for (const part of partsOf(jobs, BULK)) await bounded(queue.addBulk(part.map(toBulk)))
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
    // The stack traces of all attempts would take megabytes.
    stackTraceLimit: 1,
    ...(delayMs === undefined || delayMs <= 0 ? {} : { delay: Math.ceil(delayMs) }),
  }
  return { name, data, opts }
}
