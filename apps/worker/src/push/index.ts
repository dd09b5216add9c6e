import { type Database, dropClosings } from '@parley/db'
import { createPresenceReader } from '@parley/presence'
import { createProducer, Later, startConsumer } from '@parley/queue'
import { openRedis, type RedisAddress } from '@parley/redis'
import {
  type AdminRoute,
  type Logger,
  type Metrics,
  type Part,
  pushEndpointPolicy,
  type pushSettings,
  type SettingsOf,
  type Tracer,
  vapidKeysOf,
} from '@parley/runtime'
import { PersonShare } from '@parley/runtime/person-share'
import { WorkLoop } from '@parley/runtime/work-loop'
import type { OutboxStep } from '../outbox-drain.ts'
import { BOARD_PATH, queueBoard } from './board.ts'
import { runCloseJob } from './close-job.ts'
import { ClosingDrain } from './closings.ts'
import { runDigestJob } from './digest-job.ts'
import { PushLookup } from './lookup.ts'
import { PushMetrics } from './metrics.ts'
import { type NewsData, runNewsJob } from './news-job.ts'
import { pushRecipients } from './recipients.ts'
import { PushSender } from './sender.ts'
import { tracedJob } from './traced-job.ts'

/** Number of failed jobs that the dead-letter view lists. */
const FAILED_SHOWN = 100
/** How often recorded closings are dropped while push is off, in milliseconds. */
const OFF_MS = 60_000
/** How long a job waits when its person already has their share of running jobs, in milliseconds. */
const SHARE_WAIT_MS = 1_000

export interface BuildPushOptions {
  db: Database
  /** Where Redis is. */
  address: RedisAddress
  settings: SettingsOf<typeof pushSettings> & { NODE_ENV: string }
  logger: Logger
  onError: (error: unknown) => void
  tracer: Tracer | undefined
  /** Where push registers its metrics. */
  metrics: Metrics
}

/** Push as main.ts runs it. */
export interface Push {
  /** Steps for the outbox drain; none when push is off. */
  steps: OutboxStep[]
  /** Starts working on jobs. */
  start(): void
  /** Must be stopped after the outbox drain. */
  parts: Part[]
  /** Admin routes: the dead-letter view here, the board in `mounts`. */
  routes: Record<string, AdminRoute>
  mounts: Record<`/${string}`, AdminRoute>
}

/**
 * Assembles push. Without VAPID keys, push is off, and a warning is logged.
 * @throws SettingsError
 */
export function buildPush(options: BuildPushOptions): Push {
  const { db, address, settings, logger, onError, tracer } = options
  const policy = pushEndpointPolicy(settings)
  const keys = vapidKeysOf(settings)
  if (keys === null) {
    logger.warn('push is off: no VAPID keys are set')
    return pushThatIsOff(options)
  }
  const redis = openRedis(address, { name: 'push', commandTimeoutMs: 2_000, pipelined: { except: [] }, onError })
  const presence = createPresenceReader({ redis })
  const producer = createProducer('push', { address, onError })
  const metrics = new PushMetrics()
  metrics.show(options.metrics, producer)
  const times = {
    ttlMs: settings.PUSH_TTL_SECONDS * 1_000,
    gatherMs: settings.PUSH_GATHER_MS,
    burstMs: settings.PUSH_BURST_MS,
  }
  const sender = new PushSender({ keys, policy, perHost: settings.PUSH_PER_HOST })
  const lookup = new PushLookup(db, presence)
  const deps = { db, redis, lookup, sender, producer, metrics, logger, times, tracer }
  const closings = new ClosingDrain({ db, producer, metrics, onError })
  const share = new PersonShare(settings.PUSH_CONCURRENCY)
  // A person chooses their devices' push services, and one that never answers holds a job for 10 to 20 s: without a share, a few
  // busy conversations would keep everybody else from being notified.
  const inShare = async (userId: string, work: () => Promise<void>): Promise<void> => {
    if (share.isTaken(userId)) throw new Later(Date.now() + SHARE_WAIT_MS)
    await share.hold(userId, work)
  }
  const news = (data: NewsData, jobId: string) =>
    inShare(data.userId, () => tracedJob(deps, data, (traced) => runNewsJob(traced, data, jobId)))
  const consume = () =>
    startConsumer('push', {
      address,
      concurrency: settings.PUSH_CONCURRENCY,
      onError,
      onDead: (kind, reason) => {
        metrics.dead(kind)
        logger.warn({ kind, reason }, 'gave up on a push job')
      },
      onUnknown: (kind) => metrics.unknown(kind),
      handlers: {
        message: news,
        device: news,
        digest: (data, jobId) => inShare(data.userId, () => runDigestJob(deps, data, jobId)),
        close: (data, jobId) => inShare(data.userId, () => runCloseJob(deps, data, jobId)),
      },
    })
  let consumer: ReturnType<typeof consume> | undefined
  return {
    steps: [pushRecipients({ db, presence, producer, metrics, times })],
    start() {
      consumer = consume()
      closings.start()
    },
    parts: [
      { name: 'push connections', stop: async () => redis.disconnect() },
      { name: 'push sender', stop: () => sender.close() },
      { name: 'push queue', stop: () => producer.close() },
      { name: 'push jobs', stop: async () => consumer?.stop() },
      { name: 'push closings', stop: () => closings.stop() },
    ],
    routes: {
      '/push/failed': async (_request, response) => {
        const body = JSON.stringify({ failed: await producer.failed(FAILED_SHOWN) })
        response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' }).end(body)
      },
    },
    mounts: { [BOARD_PATH]: queueBoard([producer.queue]) },
  }
}

/** With push off, only drops recorded closings: the database's trigger keeps recording them for devices registered before. */
function pushThatIsOff({ db, onError }: BuildPushOptions): Push {
  const round = () => dropClosings(db.pool).then(() => false)
  const drain = new WorkLoop({ idleMs: OFF_MS, round, onError })
  return {
    steps: [],
    start: () => drain.start(),
    parts: [{ name: 'push closings', stop: () => drain.stop() }],
    routes: {},
    mounts: {},
  }
}
