export interface DrainLoopOptions {
  /** Does a round of the work; resolves to whether there may be more at once. */
  round: () => Promise<boolean>
  onError: (error: unknown) => void
  /** Pause after a round that left nothing, in milliseconds; after one that failed it is four times as long. */
  idleMs: number
}

/**
 * Rows that a worker has taken are others' again after so long without a word from it to the database, in milliseconds: well
 * past what Redis may keep a round of them.
 */
export const TAKEN_MS = 60_000

/** Round after round of some work, one at a time, from `start` until `stop`. */
export class DrainLoop {
  readonly #options: DrainLoopOptions
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: DrainLoopOptions) {
    this.#options = options
  }

  start(): void {
    this.#next(0)
  }

  /** Resolves when the round that is under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #next(delayMs: number): void {
    if (this.#stopped) return
    const { round, idleMs, onError } = this.#options
    this.#timer = setTimeout(() => {
      this.#running = round().then(
        (more) => this.#next(more ? 0 : idleMs),
        (error) => {
          onError(error)
          this.#next(4 * idleMs)
        },
      )
    }, delayMs)
  }
}
