import { type Database, deleteClosings, type Queryable, takeClosings, transaction } from '@parley/db'
import { idPart, type Producer } from '@parley/queue'
import { WorkLoop } from '@parley/runtime/work-loop'
import { TAKEN_MS } from '../outbox-drain.ts'
import type { PushMetrics } from './metrics.ts'

const ROWS = 500

export interface ClosingDrainOptions {
  db: Database
  producer: Pick<Producer<'push'>, 'add'>
  metrics: PushMetrics
  onError: (error: unknown) => void
  /** Pause after a round that did not find a full load, in milliseconds; after one that failed it is four times as long. */
  idleMs?: number
}

/**
 * Turns the noted closings into jobs; the database's trigger notes them in the transaction of the read itself. Several
 * workers share them, as they do the outbox.
 */
export class ClosingDrain {
  readonly #options: ClosingDrainOptions
  readonly #loop: WorkLoop

  constructor(options: ClosingDrainOptions) {
    this.#options = options
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
    const work = async (tx: Queryable) => {
      const rows = await takeClosings(tx, ROWS)
      if (rows.length === 0) return 0
      await producer.add(
        rows.map(({ id, conversation_id: conversationId, user_id: userId }) => ({
          name: 'close',
          data: { conversationId, userId },
          id: `close-${id}-${idPart(userId)}`,
        })),
      )
      await deleteClosings(
        tx,
        rows.map(({ id }) => id),
      )
      return rows.length
    }
    const queued = await transaction(db, work, TAKEN_MS)
    metrics.queued('close', queued)
    return queued
  }
}
