import { WorkLoop } from '@parley/runtime/work-loop'
import type { AttachmentUploads, RemovedUploads } from '@parley/storage/uploads'

/** How long an upload may wait for a message to name it, in milliseconds. */
const UNCLAIMED_MS = 24 * 3_600_000
/** Time between two rounds, in milliseconds. */
const EVERY_MS = 600_000
/** Workers that start together should not look together: each begins within this, in milliseconds. */
const SPREAD_MS = 60_000

export interface AttachmentCleanerOptions {
  uploads: Pick<AttachmentUploads, 'removeAbandoned'>
  onError: (error: unknown) => void
  now?: () => Date
  /** Uploads removed in one statement. */
  batch?: number
}

/**
 * Removes uploads that no message has named within a day, finished or not, and what a removal that failed has left. Any
 * number of workers may do this: each takes rows that no other holds.
 */
export class AttachmentCleaner {
  readonly #options: Required<AttachmentCleanerOptions>
  readonly #loop: WorkLoop
  readonly #stopped = new AbortController()
  /** Where the next round begins, as the one before it was given up there; null: with the oldest. */
  #after: RemovedUploads['last'] = null
  /** Uploads removed since this process began. */
  removed = 0

  constructor(options: AttachmentCleanerOptions) {
    this.#options = { now: () => new Date(), batch: 50, ...options }
    const round = async () => {
      await this.cleanOnce()
      return false
    }
    this.#loop = new WorkLoop({ round, idleMs: EVERY_MS, onError: options.onError })
  }

  start(): void {
    this.#loop.start(Math.random() * SPREAD_MS)
  }

  /** Waits for nothing of the store: what it has not removed by then is taken up by the next worker. */
  stop(): Promise<void> {
    this.#stopped.abort()
    return this.#loop.stop()
  }

  /**
   * One round. A batch of which nothing can be removed ends it: the store is away, or will not have these. The next one goes
   * on after it.
   * @returns how many uploads were removed
   */
  async cleanOnce(): Promise<number> {
    const { uploads, now, batch: limit, onError } = this.#options
    const { signal } = this.#stopped
    const before = new Date(now().getTime() - UNCLAIMED_MS)
    for (let total = 0; ; ) {
      const { removed, errors, last } = await uploads.removeAbandoned({ before, after: this.#after, limit, signal })
      this.#after = last
      this.removed += removed
      total += removed
      if (signal.aborted) return total
      if (errors.length > 0) onError(errors[0])
      if (removed === 0 || last === null) return total
    }
  }
}
