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

/** Rows and age of the outbox come from one query for both, made again at most this often; milliseconds. */
const LAG_KEPT_MS = 500

/** All of a worker's numbers but those of push, which push/metrics.ts has. docs/METRICS.md lists them. */
export function showWorker(metrics: Metrics, options: WorkerMetricsOptions): void {
  const { health, db, bus, drain, search, reaper, cleaner } = options
  health.show(metrics)
  watchRedis(metrics, redisConnections)
  watchPools(metrics, { primary: db.pool })
  showPublishing(metrics, bus)
  showOutbox(metrics, db, drain)
  metrics.distribution(
    'parley_search_index_lag_seconds',
    'From the storing of a message to its being found by search',
    [],
    () => [[{}, search.lag]],
  )
  metrics.gauge(
    'parley_presence_leases',
    'Gateways’ presence leases: those that stand, and those that ran out and are being cleaned up',
    ['state'],
    () => [
      [{ state: 'alive' }, reaper.leases.alive],
      [{ state: 'dead' }, reaper.leases.dead],
    ],
  )
  metrics.counter('parley_attachments_removed_total', 'Uploads removed because no message named them', [], () =>
    single(cleaner.removed),
  )
}

/** The whole cluster's outbox as this worker sees it (take the maximum over workers), and its own part in working it off. */
function showOutbox(metrics: Metrics, db: Database, { measures }: OutboxDrain): void {
  let last: { at: number; lag: ReturnType<typeof outboxLag> } | undefined
  const lag = () => {
    const now = performance.now()
    if (last === undefined || now - last.at > LAG_KEPT_MS) last = { at: now, lag: outboxLag(db.pool) }
    return last.lag
  }
  metrics.gauge(
    'parley_outbox_rows',
    'Stored batches that no worker has worked off yet, of the whole cluster',
    [],
    async (): Promise<Series> => single((await lag()).rows),
  )
  metrics.gauge(
    'parley_outbox_oldest_seconds',
    'Age of the oldest of them',
    [],
    async (): Promise<Series> => single((await lag()).oldestMs / 1_000),
  )
  metrics.counter('parley_outbox_batches_total', 'Stored batches that this worker has worked off', [], () =>
    single(measures.rows),
  )
  metrics.counter('parley_outbox_messages_total', 'Messages in them', [], () => single(measures.messages))
  metrics.counter(
    'parley_outbox_republished_total',
    'Stored batches published again, because the process that stored them had died',
    [],
    () => single(measures.republished),
  )
  metrics.counter('parley_outbox_failures_total', 'Rounds of the outbox that failed and are made again', [], () =>
    single(measures.failures),
  )
  metrics.distribution('parley_outbox_round_seconds', 'Time of a round that found something', [], () => [
    [{}, measures.rounds],
  ])
}
