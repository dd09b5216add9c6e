import type { Metrics } from '@parley/runtime'
import type { CommitMeasures } from './group-commit.ts'

/** What has group commit inside. */
export interface Measured {
  readonly measures: CommitMeasures
  readonly waiting: number
}

/** Shows how long messages and read marks take on their way through a process, and how many share a commit. */
export function showCommits(metrics: Metrics, writers: Readonly<Record<'messages' | 'reads', Measured>>): void {
  const each = Object.entries(writers)
  const count = (pick: (measures: CommitMeasures) => number) => () =>
    each.map(([writer, { measures }]) => [{ writer }, pick(measures)] as const)
  metrics.distribution(
    'parley_write_stage_seconds',
    'Time from coming in to the batch’s beginning (queue), of the batch’s statement (commit), from coming in to the answer (total)',
    ['writer', 'stage'],
    () =>
      each.flatMap(([writer, { measures }]) => [
        [{ writer, stage: 'queue' }, measures.queued] as const,
        [{ writer, stage: 'commit' }, measures.committed] as const,
        [{ writer, stage: 'total' }, measures.answered] as const,
      ]),
  )
  metrics.distribution('parley_write_batch_size', 'Messages or read marks that shared a commit', ['writer'], () =>
    each.map(([writer, { measures }]) => [{ writer }, measures.batches] as const),
  )
  metrics.gauge('parley_write_queue_length', 'Messages or read marks that are not answered yet', ['writer'], () =>
    each.map(([writer, { waiting }]) => [{ writer }, waiting]),
  )
  metrics.counter(
    'parley_writes_total',
    'Messages or read marks that were taken in',
    ['writer'],
    count(({ submitted }) => submitted),
  )
  metrics.counter(
    'parley_writes_overloaded_total',
    'Messages or read marks refused because the queue was full',
    ['writer'],
    count(({ overloaded }) => overloaded),
  )
  metrics.counter(
    'parley_write_retries_total',
    'Batches tried again after a deadlock or while the database was away',
    ['writer'],
    count(({ retries }) => retries),
  )
  metrics.counter(
    'parley_write_failures_total',
    'Batches that failed',
    ['writer'],
    count(({ failures }) => failures),
  )
}
