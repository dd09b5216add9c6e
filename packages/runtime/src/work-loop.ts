export interface WorkLoopOptions {
  /** Runs one round of work. Resolves to whether another round should follow immediately. */
  round: () => Promise<boolean>
  onError: (error: unknown) => void
  /** Pause after a round that left nothing to do, in milliseconds. */
  idleMs: number
  /** Pause after a failed round, in milliseconds. Default: `idleMs`. */
  failedMs?: number
}

/** Runs rounds of work, one at a time, from `start` until `stop`. */
export class WorkLoop {
  readonly #options: Required<WorkLoopOptions>
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: WorkLoopOptions) {
    this.#options = { failedMs: options.idleMs, ...options }
  }

  /** Whether `stop` was called: long rounds should end early then. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** @param delayMs before the first round */
  start(delayMs = 0): void {
    this.#next(delayMs)
  }

  /** Resolves when the current round has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  #next(delayMs: number): void {
    if (this.#stopped) return
    const { round, idleMs, failedMs, onError } = this.#options
    this.#timer = setTimeout(() => {
      this.#running = round().then(
        (more) => this.#next(more ? 0 : idleMs),
        (error) => {
          onError(error)
          this.#next(failedMs)
        },
      )
    }, delayMs)
  }
}
