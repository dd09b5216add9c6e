import type { RedisAddress } from '@parley/redis'
import { backoffMs } from '@parley/runtime/backoff'
import { within } from '@parley/runtime/within'
import { DelayedError, type Job, UnrecoverableError, Worker } from 'bullmq'
import type { z } from 'zod'
import { consumerConnection, PREFIX } from './connection.ts'
import { type JobData, type JobName, KEPT, type QueueName, queues } from './jobs.ts'

/**
 * A job that a killed process was working on is taken up by another after LOCK_MS to LOCK_MS + STALLED_CHECK_MS. The lock
 * is renewed twice in its time while the process lives.
 */
const LOCK_MS = 10_000
const STALLED_CHECK_MS = 5_000
/** A job may meet this many deaths of the process that works on it; then something is wrong with the job. */
const DEATHS = 10
/** After a connection was lost BullMQ pauses this long before it goes on, 15 s by its own: pushes would be late by that. */
const RECONNECTED_PAUSE_MS = 1_000
const BACKOFF_FIRST_MS = 1_000
const BACKOFF_MAX_MS = 60_000
/**
 * A job that this version cannot read is left to a worker of the version that queued it, for so long past the time it was due:
 * longer than a rolling upgrade takes. By then a push of it would be too old, too.
 */
const UNKNOWN_MS = 24 * 3_600_000

/** The job is not due yet: it goes back into the queue until `at`, ms since 1970, and this counts as no attempt. */
export class Later extends Error {
  override readonly name = 'Later'
  readonly at: number

  constructor(at: number) {
    super(`not before ${new Date(at).toISOString()}`)
    this.at = at
  }
}

/** The job can never be done: it is kept among the failed ones with this reason, and not tried again. */
export class Dead extends UnrecoverableError {}

export type Handlers<Queue extends QueueName> = {
  [Name in JobName<Queue>]: (data: JobData<Queue, Name>, jobId: string) => Promise<unknown>
}

export interface ConsumerOptions<Queue extends QueueName> {
  address: RedisAddress
  handlers: Handlers<Queue>
  /** Jobs worked on at once in this process. */
  concurrency: number
  onError: (error: unknown) => void
  /** A job is over for good without having been done. */
  onDead?: (name: string, reason: string) => void
  /** A job whose name or data this version does not know went back into the queue: a newer process has queued it. */
  onUnknown?: (name: string) => void
}

export interface Consumer {
  /** Takes no more jobs and waits for those under way; after `limitMs` they are left for another worker. */
  stop(limitMs?: number): Promise<void>
}

/** Starts working on a queue. What handlers throw is tried again with back-off and jitter. */
export function startConsumer<Queue extends QueueName>(queue: Queue, options: ConsumerOptions<Queue>): Consumer {
  const { concurrency, onError, onDead } = options
  const connection = consumerConnection(options.address, onError)
  const worker = new Worker(queue, (job, token) => run(queue, options, job, token), {
    connection,
    prefix: PREFIX,
    concurrency,
    lockDuration: LOCK_MS,
    stalledInterval: STALLED_CHECK_MS,
    maxStalledCount: DEATHS,
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
    const at = whenKnown(job, parsed?.error.message ?? `nobody knows jobs called ${job.name}`)
    const delayed = await putOff(job, token, at)
    onUnknown?.(job.name)
    throw delayed
  }
  // The schema of this name has made what the handler of this name takes.
  const handler = handlers[job.name as JobName<Queue>] as (data: unknown, jobId: string) => Promise<unknown>
  try {
    return await handler(parsed.data, job.id ?? '')
  } catch (error) {
    if (!(error instanceof Later)) throw error
    throw await putOff(job, token, error.at)
  }
}

/**
 * When somebody is to look at a job again that this version cannot read, ms since 1970; later each time.
 * @throws {Dead} once nobody has read it for too long
 */
function whenKnown(job: Job, reason: string): number {
  const now = Date.now()
  if (now > job.timestamp + (job.opts.delay ?? 0) + UNKNOWN_MS) throw new Dead(reason)
  return now + backoffMs(job.attemptsStarted, BACKOFF_FIRST_MS, BACKOFF_MAX_MS)
}

/** Back into the queue until `at`, ms since 1970, as no attempt. @returns what tells BullMQ of it when it is thrown */
async function putOff(job: Job, token: string | undefined, at: number): Promise<DelayedError> {
  await job.moveToDelayed(Math.ceil(at), token)
  return new DelayedError()
}
