/** Runs work one at a time; if it is requested while running, it runs once more afterwards. The work must not reject. */
export class Rerun {
  readonly #work: () => Promise<void>
  #again = false
  #running: Promise<void> | undefined

  constructor(work: () => Promise<void>) {
    this.#work = work
  }

  get underWay(): boolean {
    return this.#running !== undefined
  }

  /** Resolves when the work is not running. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

  /** Requests a run. */
  ask(): void {
    this.#again = true
    this.#running ??= this.#run()
  }

  async #run(): Promise<void> {
    while (this.#again) {
      this.#again = false
      await this.#work()
    }
    this.#running = undefined
  }
}
