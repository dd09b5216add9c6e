/**
 * Lets people in wave by wave: while one wave is on its way in, whoever comes waits and is of the next. All of a wave ask
 * for their conversations in the same turn of the loop, so that each question is one statement for all of them. When
 * thousands come back at once, waves grow by themselves; somebody who comes alone waits for nothing.
 */
export class Waves {
  readonly #maxSize: number
  #waiting: (() => Promise<unknown>)[] = []
  #running = false

  /** @param maxSize people in a wave */
  constructor(maxSize: number) {
    this.#maxSize = maxSize
  }

  /** Runs `enter` with its wave. It has to end in bounded time: the next wave waits for it. */
  join<T>(enter: () => Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#waiting.push(() => enter().then(resolve, reject))
      if (this.#running) return
      this.#running = true
      setImmediate(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      await Promise.all(this.#waiting.splice(0, this.#maxSize).map((enter) => enter()))
    }
    this.#running = false
  }
}
