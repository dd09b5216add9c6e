export interface WorkLoopOptions {
  /** Does a round of the work; resolves to whether there may be more at once. */
  round: () => Promise<boolean>
  onError: (error: unknown) => void
  /** Pause after a round that left nothing, in milliseconds. */
  idleMs: number
  /** Pause after a round that failed, in milliseconds; `idleMs` where it is left out. */
  failedMs?: number
}

/** Round after round of some work, one at a time, from `start` until `stop`. */
export class WorkLoop {
  readonly #options: Required<WorkLoopOptions>
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> = Promise.resolve()
  #stopped = false

  constructor(options: WorkLoopOptions) {
    this.#options = { failedMs: options.idleMs, ...options }
  }

  /** `stop` was called: a round that would go on for long ends. */
  get stopped(): boolean {
    return this.#stopped
  }

  /** @param delayMs before the first round */
  start(delayMs = 0): void {
    this.#next(delayMs)
  }

  /** Resolves when the round that is under way has ended. */
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
