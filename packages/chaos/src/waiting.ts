import { setTimeout as delay } from 'node:timers/promises'

/** Asks again and again until the answer is true. @returns the milliseconds it took, or null after `boundMs` */
export async function until(condition: () => Promise<boolean> | boolean, boundMs: number): Promise<number | null> {
  const began = performance.now()
  while (performance.now() - began < boundMs) {
    if (await condition()) return Math.round(performance.now() - began)
    await delay(50)
  }
  return null
}

/** Work that runs one at a time; where it is asked for while it runs, it runs once more. It must not reject. */
export class Rounds {
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
