import { type Database, outboxLag } from '@parley/db'
import { type Bus, showPublishing } from '@parley/fanout'
import type { Reaper } from '@parley/presence'
import { redisConnections } from '@parley/redis'
import { type Health, type Metrics, type Series, single, watchPools, watchRedis } from '@parley/runtime'
import type { AttachmentCleaner } from './attachments/cleaner.ts'
import type { OutboxDrain } from './outbox-drain.ts'
import type { SearchStep } from './search/index-step.ts'

export interface WorkerMetricsOptions {
  health: Health
  db: Database
  bus: Bus
  drain: OutboxDrain
  search: SearchStep
  reaper: Reaper
  cleaner: AttachmentCleaner
}

/** How long the result of the outbox query, which serves two metrics, is reused; milliseconds. */
const LAG_KEPT_MS = 500

/** Registers a worker's metrics, except those of push (push/metrics.ts). docs/METRICS.md lists them. */
export function showWorker(metrics: Metrics, options: WorkerMetricsOptions): void {
  const { health, db, bus, drain, search, reaper, cleaner } = options
  health.show(metrics)
  watchRedis(metrics, redisConnections)
  watchPools(metrics, { primary: db.pool })
  showPublishing(metrics, bus)
  showOutbox(metrics, db, drain)
  metrics.distribution(
    'parley_search_index_lag_seconds',
    'Time from storing a message until search can find it',
    [],
    () => [[{}, search.lag]],
  )
  metrics.gauge(
    'parley_presence_leases',
    'Presence leases of gateways: alive, and expired ones that are being cleaned up',
    ['state'],
    () => [
      [{ state: 'alive' }, reaper.leases.alive],
      [{ state: 'dead' }, reaper.leases.dead],
    ],
  )
  metrics.counter('parley_attachments_removed_total', 'Uploads removed because no message used them', [], () =>
    single(cleaner.removed),
  )
}

/** Registers the state of the whole cluster's outbox (take the maximum over workers), and what this worker has processed. */
function showOutbox(metrics: Metrics, db: Database, { measures }: OutboxDrain): void {
  let last: { at: number; lag: ReturnType<typeof outboxLag> } | undefined
  const lag = () => {
    const now = performance.now()
    if (last === undefined || now - last.at > LAG_KEPT_MS) last = { at: now, lag: outboxLag(db.pool) }
    return last.lag
  }
  metrics.gauge(
    'parley_outbox_rows',
    'Stored batches that no worker has processed yet, in the whole cluster',
    [],
    async (): Promise<Series> => single((await lag()).rows),
  )
  metrics.gauge(
    'parley_outbox_oldest_seconds',
    'Age of the oldest stored batch that no worker has processed yet',
    [],
    async (): Promise<Series> => single((await lag()).oldestMs / 1_000),
  )
  metrics.counter('parley_outbox_batches_total', 'Stored batches that this worker has processed', [], () =>
    single(measures.rows),
  )
  metrics.counter('parley_outbox_messages_total', 'Messages that this worker has processed', [], () =>
    single(measures.messages),
  )
  metrics.counter(
    'parley_outbox_republished_total',
    'Stored batches published again because the process that stored them died',
    [],
    () => single(measures.republished),
  )
  metrics.counter('parley_outbox_failures_total', 'Outbox rounds that failed and are retried', [], () =>
    single(measures.failures),
  )
  metrics.distribution('parley_outbox_round_seconds', 'Duration of outbox rounds that found something', [], () => [
    [{}, measures.rounds],
  ])
}
