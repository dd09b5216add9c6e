import { WorkLoop } from '@parley/runtime/work-loop'
import type { AttachmentUploads, RemovedUploads } from '@parley/storage/uploads'

/** How long an upload may stay unused by any message, in milliseconds. */
const UNCLAIMED_MS = 24 * 3_600_000
/** Time between two rounds, in milliseconds. */
const EVERY_MS = 600_000
/** The first round starts after a random delay up to this, in milliseconds, so that workers do not all run at once. */
const SPREAD_MS = 60_000

export interface AttachmentCleanerOptions {
  uploads: Pick<AttachmentUploads, 'removeAbandoned'>
  onError: (error: unknown) => void
  now?: () => Date
  /** Uploads removed in one statement. */
  batch?: number
}

/**
 * Removes uploads, finished or not, that no message has used within a day, and whatever failed removals have left. Any number
 * of workers may run it: each takes rows that no other has locked.
 */
export class AttachmentCleaner {
  readonly #options: Required<AttachmentCleanerOptions>
  readonly #loop: WorkLoop
  readonly #stopped = new AbortController()
  /** Where the next round starts if the last one was given up; null to start with the oldest upload. */
  #after: RemovedUploads['last'] = null
  /** Uploads removed since this process started. */
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

  /** Stops without waiting for the object store: the next worker removes what is left. */
  stop(): Promise<void> {
    this.#stopped.abort()
    return this.#loop.stop()
  }

  /**
   * Runs one round. It ends at a batch of which nothing can be removed: the object store is away or refuses these. The next
   * round continues after that batch.
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
