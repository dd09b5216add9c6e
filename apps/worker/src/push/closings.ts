import { type Database, deleteClosings, firstClosingId, type Queryable, takeClosings, transaction } from '@parley/db'
import { idPart, type Producer } from '@parley/queue'
import { WorkLoop } from '@parley/runtime/work-loop'
import { FirstRow } from '../first-row.ts'
import { TAKEN_MS } from '../outbox-drain.ts'
import type { PushMetrics } from './metrics.ts'

const ROWS = 500

export interface ClosingDrainOptions {
  db: Database
  producer: Pick<Producer<'push'>, 'add'>
  metrics: PushMetrics
  onError: (error: unknown) => void
  /** Pause after a round that was not full, in milliseconds; after a failed one it is four times as long. */
  idleMs?: number
}

/**
 * Turns recorded closings into jobs. A database trigger records them in the transaction of the read itself. Workers share them
 * as they share the outbox.
 */
export class ClosingDrain {
  readonly #options: ClosingDrainOptions
  readonly #first: FirstRow
  readonly #loop: WorkLoop

  constructor(options: ClosingDrainOptions) {
    this.#options = options
    this.#first = new FirstRow(() => firstClosingId(options.db.pool))
    const { idleMs = 250, onError } = options
    const round = async () => (await this.#drain()) === ROWS
    this.#loop = new WorkLoop({ idleMs, failedMs: 4 * idleMs, onError, round })
  }

  start(): void {
    this.#loop.start()
  }

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  async #drain(): Promise<number> {
    const { db, producer, metrics } = this.#options
    const from = await this.#first.id()
    const work = async (tx: Queryable) => {
      const rows = await takeClosings(tx, ROWS, from)
      if (rows.length === 0) return []
      await producer.add(
        rows.map(({ id, conversation_id: conversationId, user_id: userId }) => ({
          name: 'close',
          data: { conversationId, userId },
          id: `close-${id}-${idPart(userId)}`,
        })),
      )
      const ids = rows.map(({ id }) => id)
      await deleteClosings(tx, ids)
      return ids
    }
    const ids = await transaction(db, work, TAKEN_MS)
    this.#first.took(ids)
    metrics.queued('close', ids.length)
    return ids.length
  }
}
