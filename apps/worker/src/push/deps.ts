import type { Database } from '@parley/db'
import type { Producer } from '@parley/queue'
import type { RedisClient } from '@parley/redis'
import type { Logger, TraceParent, Tracer } from '@parley/runtime'
import type { PushLookup } from './lookup.ts'
import type { PushMetrics } from './metrics.ts'
import type { PushSender } from './sender.ts'

/** What the push jobs depend on; buildPush assembles it. */
export interface PushDeps {
  db: Database
  /** Holds turns (turn.ts) and the start times of summaries (held.ts). */
  redis: RedisClient
  lookup: PushLookup
  sender: Pick<PushSender, 'send'>
  producer: Pick<Producer<'push'>, 'add'>
  metrics: PushMetrics
  logger: Logger
  /** Undefined when tracing is off. */
  tracer?: Tracer | undefined
  /** The current job's span, if it is traced. */
  trace?: TraceParent | undefined
  times: PushTimes
}

/** All in milliseconds. */
export interface PushTimes {
  /** How long an undelivered notification is worth delivering. */
  ttlMs: number
  /** How long a message waits for others of its conversation. */
  gatherMs: number
  /** Minimum time between two notifications of one conversation on one device. */
  burstMs: number
}
