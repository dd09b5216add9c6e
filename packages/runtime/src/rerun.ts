/** Work that runs one at a time; asked for while it runs, it runs once more after that. It must not reject. */
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

  /** Resolves when it is not under way. */
  get ended(): Promise<void> {
    return this.#running ?? Promise.resolve()
  }

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
