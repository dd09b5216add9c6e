import type { Database } from '@parley/db'
import type { Producer } from '@parley/queue'
import type { RedisClient } from '@parley/redis'
import type { Logger, TraceParent, Tracer } from '@parley/runtime'
import type { PushLookup } from './lookup.ts'
import type { PushMetrics } from './metrics.ts'
import type { PushSender } from './sender.ts'

/** What the jobs of push work with; buildPush puts it together. */
export interface PushDeps {
  db: Database
  /** For turns, and for what summaries begin with. */
  redis: RedisClient
  lookup: PushLookup
  sender: Pick<PushSender, 'send'>
  producer: Pick<Producer<'push'>, 'add'>
  metrics: PushMetrics
  logger: Logger
  /** Left out where nothing is traced. */
  tracer?: Tracer | undefined
  /** Of the job under way, where it is traced. */
  trace?: TraceParent | undefined
  times: PushTimes
}

/** All in milliseconds. */
export interface PushTimes {
  /** How long an undelivered notification is worth delivering. */
  ttlMs: number
  /** How long a message waits for others of its conversation. */
  gatherMs: number
  /** Least time between two notifications of one conversation on one device. */
  burstMs: number
}
