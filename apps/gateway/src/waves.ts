import { setTimeout as delay } from 'node:timers/promises'

export interface WaveOptions {
  /** People in a wave. */
  maxSize: number
  /** Pause after a wave, in milliseconds: the next one is larger by those who come meanwhile. */
  pauseMs: () => number
}

/** Somebody who waits for a wave. */
interface Waiting {
  enter: () => Promise<void>
  isThere: () => boolean
  leave: () => void
}

/**
 * Lets people in wave by wave: while one wave is on its way in, whoever comes waits and is of the next. All of a wave ask
 * for their conversations in the same turn of the loop, so that each question is one statement for all of them. When
 * thousands come back at once, waves grow by themselves; somebody who comes alone waits for nothing.
 */
export class Waves {
  readonly #options: WaveOptions
  #waiting: Waiting[] = []
  #running = false

  constructor(options: WaveOptions) {
    this.#options = options
  }

  /**
   * Runs `enter` with its wave. It has to end in bounded time: the next wave waits for it.
   * @param isThere asked when a wave is put together: who has gone meanwhile takes no place in it
   * @returns what `enter` does; undefined for somebody who has gone
   */
  join<T>(enter: () => Promise<T>, isThere: () => boolean): Promise<T | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ enter: () => enter().then(resolve, reject), isThere, leave: () => resolve(undefined) })
      if (this.#running) return
      this.#running = true
      setImmediate(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    const { maxSize, pauseMs } = this.#options
    while (this.#waiting.length > 0) {
      this.#forgetGone()
      await Promise.all(this.#waiting.splice(0, maxSize).map(({ enter }) => enter()))
      const ms = pauseMs()
      if (ms > 0) await delay(ms)
    }
    this.#running = false
  }

  #forgetGone(): void {
    const there: Waiting[] = []
    for (const waiting of this.#waiting) {
      if (waiting.isThere()) there.push(waiting)
      else waiting.leave()
    }
    this.#waiting = there
  }
}
