import type { RedisAddress } from '@parley/redis'
import { backoffMs } from '@parley/runtime/backoff'
import { within } from '@parley/runtime/within'
import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq'
import type { z } from 'zod'
import { consumerConnection, PREFIX } from './connection.ts'
import { type JobData, type JobName, KEPT, type QueueName, queues } from './jobs.ts'

/**
 * If a process is killed, another takes over its jobs after LOCK_MS to LOCK_MS + STALLED_CHECK_MS. A live process renews the lock
 * twice within LOCK_MS.
 */
const LOCK_MS = 10_000
const STALLED_CHECK_MS = 5_000
/** How many times the process working on a job may die before the job itself is considered faulty. */
const MAX_STALLED = 10
/** How long BullMQ pauses after a lost connection. Its default of 15 s would delay pushes by that much. */
const RECONNECTED_PAUSE_MS = 1_000
const BACKOFF_FIRST_MS = 1_000
const BACKOFF_MAX_MS = 60_000
/**
 * How long past its due time a job that this version cannot read is kept for a worker of the version that queued it: longer
 * than a rolling upgrade takes. By then a push would be too old anyway.
 */
const UNKNOWN_MS = 24 * 3_600_000

/** Thrown by a handler whose job is not due yet: the job is delayed until `at` (ms since 1970), and this is no attempt. */
export class Later extends Error {
  override readonly name = 'Later'
  readonly at: number

  constructor(at: number) {
    super(`not before ${new Date(at).toISOString()}`)
    this.at = at
  }
}

/** Thrown for a job that can never succeed: it is kept among the failed jobs with this reason and not retried. */
export class Dead extends UnrecoverableError {}

export type Handlers<Queue extends QueueName> = {
  [Name in JobName<Queue>]: (data: JobData<Queue, Name>, jobId: string) => Promise<unknown>
}

export interface ConsumerOptions<Queue extends QueueName> {
  address: RedisAddress
  handlers: Handlers<Queue>
  /** The maximum number of jobs processed at once in this process. */
  concurrency: number
  onError: (error: unknown) => void
  /** Called when a job has failed for good. */
  onDead?: (name: string, reason: string) => void
  /** Called when a job with an unknown name or unreadable data, queued by a newer process, was put back. */
  onUnknown?: (name: string) => void
}

export interface Consumer {
  /** Stops taking jobs and waits for those under way, at most `limitMs`; the rest are left to another worker. */
  stop(limitMs?: number): Promise<void>
}

/** Starts processing a queue. A job whose handler throws is retried with exponential backoff and jitter. */
export function startConsumer<Queue extends QueueName>(queue: Queue, options: ConsumerOptions<Queue>): Consumer {
  const { concurrency, onError, onDead } = options
  const connection = consumerConnection(options.address, onError)
  const worker = new Worker(queue, (job, token) => run(queue, options, job, token), {
    connection,
    prefix: PREFIX,
    concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: MAX_STALLED,
    runRetryDelay: RECONNECTED_PAUSE_MS,
    removeOnComplete: KEPT.completed,
    removeOnFail: KEPT.failed,
    settings: { backoffStrategy: (attempt) => backoffMs(attempt, BACKOFF_FIRST_MS, BACKOFF_MAX_MS) },
  })
  worker.on('error', onError)
  worker.on('failed', (job, error) => {
    if (job === undefined || job.finishedOn !== undefined) onDead?.(job?.name ?? 'unknown', error.message)
    else onError(error)
  })
  return {
    async stop(limitMs = 15_000) {
      await within(limitMs, worker.close(), () => void worker.close(true).catch(() => undefined))
      connection.disconnect()
    },
  }
}

async function run<Queue extends QueueName>(
  queue: Queue,
  { handlers, onUnknown }: ConsumerOptions<Queue>,
  job: Job,
  token: string | undefined,
): Promise<unknown> {
  const schemas: Record<string, z.ZodType> = queues[queue]
  const schema = Object.hasOwn(schemas, job.name) ? schemas[job.name] : undefined
  const parsed = schema?.safeParse(job.data)
  if (parsed?.success !== true) {
    const at = retryTimeOf(job, parsed?.error.message ?? `unknown job ${job.name}`)
    const delayed = await postpone(job, token, at)
    onUnknown?.(job.name)
    throw delayed
  }
  // The schema and the handler share a name, so the parsed data is what the handler takes.
  const handler = handlers[job.name as JobName<Queue>] as (data: unknown, jobId: string) => Promise<unknown>
  try {
    return await handler(parsed.data, job.id ?? '')
  } catch (error) {
    if (!(error instanceof Later)) throw error
    throw await postpone(job, token, error.at)
  }
}

/**
 * Returns when to try again to read a job that this version cannot read, in ms since 1970; the delay grows with each attempt.
 * @throws {Dead} if the job has stayed unread for too long
 */
function retryTimeOf(job: Job, reason: string): number {
  const now = Date.now()
  if (now > job.timestamp + (job.opts.delay ?? 0) + UNKNOWN_MS) throw new Dead(reason)
  return now + backoffMs(job.attemptsStarted, BACKOFF_FIRST_MS, BACKOFF_MAX_MS)
}

/** Delays a job until `at` (ms since 1970), not counting an attempt. @returns the error that tells BullMQ so when thrown */
async function postpone(job: Job, token: string | undefined, at: number): Promise<DelayedError> {
  await job.moveToDelayed(Math.ceil(at), token)
  return new DelayedError()
}
