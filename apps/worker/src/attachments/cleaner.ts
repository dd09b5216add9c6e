import type { AttachmentUploads } from '@parley/storage/uploads'

/** How long an upload may wait for a message to name it, in milliseconds. */
const UNCLAIMED_MS = 24 * 3_600_000

export interface AttachmentCleanerOptions {
  uploads: Pick<AttachmentUploads, 'removeAbandoned'>
  onError: (error: unknown) => void
  now?: () => Date
  /** Time between two rounds, in milliseconds. */
  everyMs?: number
  /** Uploads removed in one statement. */
  batch?: number
}

/**
 * Removes uploads that no message has named within a day, finished or not, and what a removal that failed has left. Any
 * number of workers may do this: each takes rows that no other holds.
 */
export class AttachmentCleaner {
  readonly #options: Required<AttachmentCleanerOptions>
  #timer: NodeJS.Timeout | undefined
  #round: Promise<void> = Promise.resolve()
  #stopped = false
  /** Uploads removed since this process began. */
  removed = 0

  constructor(options: AttachmentCleanerOptions) {
    this.#options = { now: () => new Date(), everyMs: 600_000, batch: 50, ...options }
  }

  start(): void {
    // Workers that start together should not look together.
    this.#next(Math.random() * 60_000)
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#round
  }

  /** One round. @returns how many uploads were removed */
  async cleanOnce(): Promise<number> {
    const { uploads, now, batch } = this.#options
    const before = new Date(now().getTime() - UNCLAIMED_MS)
    let removed = 0
    for (let taken = batch; taken === batch && !this.#stopped; removed += taken) {
      taken = await uploads.removeAbandoned(before, batch)
      this.removed += taken
    }
    return removed
  }

  #next(delayMs: number): void {
    if (this.#stopped) return
    this.#timer = setTimeout(() => {
      this.#round = this.cleanOnce()
        .then(() => undefined, this.#options.onError)
        .then(() => this.#next(this.#options.everyMs))
    }, delayMs)
  }
}
