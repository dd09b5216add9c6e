import type { Database, ReadCounts } from '@parley/db'
import { type Bus, type PublishedWatermark, showPublishing } from '@parley/fanout'
import { type Measured, showCommits } from '@parley/messaging'
import { ERRORS } from '@parley/protocol'
import { redisConnections } from '@parley/redis'
import {
  Distribution,
  type Health,
  LATENCY_SECONDS,
  Metrics,
  Tally,
  VERSION,
  watchPools,
  watchRedis,
} from '@parley/runtime'
import type { ReadSide } from './replica.ts'

/** Counters and durations of HTTP requests. */
export class HttpMeasures {
  readonly errors = new Tally(Object.keys(ERRORS))
  /** Requests answered with RATE_LIMITED, by limit. */
  readonly rateLimited = new Tally(['http_requests', 'people_added', 'forms', 'unused_uploads'])
  readonly #durations = new Map<string, { labels: Record<string, string>; of: Distribution }>()

  /** @param route the route's template, never the URL: `/api/users/:userId` */
  request(method: string, route: string, status: number, seconds: number): void {
    const key = `${method} ${route} ${status}`
    let found = this.#durations.get(key)
    if (found === undefined) {
      found = { labels: { method, route, status: String(status) }, of: new Distribution(LATENCY_SECONDS) }
      this.#durations.set(key, found)
    }
    found.of.observe(seconds)
  }

  *durations(): Generator<readonly [Record<string, string>, Distribution]> {
    for (const { labels, of } of this.#durations.values()) yield [labels, of]
  }
}

/** Shown by a pod without a replica. */
const NO_READS: ReadCounts = { replica: 0, behind: 0, away: 0 }

export interface ApiMetricsOptions {
  measures: HttpMeasures
  health: Health
  db: Database
  replica: ReadSide['replica']
  bus: Bus
  watermark: PublishedWatermark
  writers: Record<'messages' | 'reads', Measured>
}

/** Registers all metrics of an api pod; docs/METRICS.md lists them. */
export function apiMetrics({ measures, health, db, replica, bus, watermark, writers }: ApiMetricsOptions): Metrics {
  const metrics = new Metrics('api', VERSION)
  health.show(metrics)
  watchRedis(metrics, redisConnections)
  watchPools(metrics, { primary: db.pool, ...(replica && { replica: replica.db.pool }) })
  showCommits(metrics, writers)
  showPublishing(metrics, bus, watermark)
  metrics.counter(
    'parley_replica_reads_total',
    'Reads meant for the replica, by what answered: the replica, or the primary because the replica was behind or away',
    ['answer'],
    () => Object.entries(replica?.counts ?? NO_READS).map(([answer, count]) => [{ answer }, count] as const),
  )
  metrics.distribution(
    'parley_http_request_seconds',
    'Time from receiving a request to the end of its answer, by route and status',
    ['method', 'route', 'status'],
    () => measures.durations(),
  )
  metrics.counter('parley_errors_total', 'Errors returned to clients', ['surface', 'code'], () =>
    [...measures.errors.counts].map(([code, count]) => [{ surface: 'http', code }, count] as const),
  )
  metrics.tally(
    'parley_rate_limited_total',
    'Requests, events and connections refused by a rate limit',
    'limit',
    () => measures.rateLimited,
  )
  return metrics
}
