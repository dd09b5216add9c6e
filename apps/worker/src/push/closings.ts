import { type Database, deleteClosings, takeClosings, transaction } from '@parley/db'
import { idPart, type Producer } from '@parley/queue'
import type { PushMetrics } from './metrics.ts'

const ROWS = 500

export interface ClosingDrainOptions {
  db: Database
  producer: Producer<'push'>
  metrics: PushMetrics
  onError: (error: unknown) => void
  /** Pause after a round that did not find a full load, in milliseconds. */
  idleMs?: number
}

/**
 * Turns the noted closings into jobs; the database's trigger notes them in the transaction of the read itself. Several
 * workers share them, as they do the outbox.
 */
export class ClosingDrain {
  readonly #options: Required<ClosingDrainOptions>
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: ClosingDrainOptions) {
    this.#options = { idleMs: 250, ...options }
  }

  start(): void {
    this.#next(0)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
  }

  #next(delayMs: number): void {
    if (this.#stopped) return
    const { idleMs, onError } = this.#options
    this.#timer = setTimeout(() => {
      this.#round = this.#drain().then(
        (taken) => this.#next(taken === ROWS ? 0 : idleMs),
        (error) => {
          onError(error)
          this.#next(4 * idleMs)
        },
      )
    }, delayMs)
  }

  async #drain(): Promise<number> {
    const { db, producer, metrics } = this.#options
    return transaction(db, async (tx) => {
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
      metrics.queued('close', rows.length)
      return rows.length
    })
  }
}
