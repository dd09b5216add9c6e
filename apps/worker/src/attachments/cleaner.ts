import { WorkLoop } from '@parley/runtime/work-loop'
import type { AttachmentUploads } from '@parley/storage/uploads'

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

  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** One round. @returns how many uploads were removed */
  async cleanOnce(): Promise<number> {
    const { uploads, now, batch } = this.#options
    const before = new Date(now().getTime() - UNCLAIMED_MS)
    let removed = 0
    for (let taken = batch; taken === batch && !this.#loop.stopped; removed += taken) {
      taken = await uploads.removeAbandoned(before, batch)
      this.removed += taken
    }
    return removed
  }
}
