import type { Metrics } from '@parley/runtime'
import type { CommitMeasures } from './group-commit.ts'

/** Something that uses group commit. */
export interface Measured {
  readonly measures: CommitMeasures
  readonly waiting: number
}

/** Registers metrics of how long messages and read marks take in this process, and how many share a commit. */
export function showCommits(metrics: Metrics, writers: Readonly<Record<'messages' | 'reads', Measured>>): void {
  const each = Object.entries(writers)
  const count = (pick: (measures: CommitMeasures) => number) => () =>
    each.map(([writer, { measures }]) => [{ writer }, pick(measures)] as const)
  metrics.distribution(
    'parley_write_stage_seconds',
    'Time from arrival to the start of the batch (queue), of the batch’s statement (commit), from arrival to the answer (total)',
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
  metrics.gauge('parley_write_queue_length', 'Messages or read marks not answered yet', ['writer'], () =>
    each.map(([writer, { waiting }]) => [{ writer }, waiting]),
  )
  metrics.counter(
    'parley_writes_total',
    'Messages or read marks accepted',
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
    'Batches retried after a deadlock or while the database was down',
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
