import { setTimeout as delay } from 'node:timers/promises'

export interface WaveOptions {
  /** Handshakes per wave. */
  maxSize: number
  /** Pause after a wave, in milliseconds, in which the next one fills up. */
  pauseMs: () => number
}

/** A handshake waiting for a wave. */
interface Waiting {
  enter: () => Promise<void>
  isThere: () => boolean
  leave: () => void
}

/**
 * Lets people in wave by wave: while one wave is under way, newcomers wait for the next. A whole wave queries the database in
 * the same turn of the event loop, so each query becomes one statement for all of them. When thousands reconnect at once, waves
 * grow by themselves; a lone handshake does not wait.
 */
export class Waves {
  readonly #options: WaveOptions
  #waiting: Waiting[] = []
  #running = false

  constructor(options: WaveOptions) {
    this.#options = options
  }

  /**
   * Runs `enter` with the next wave. It must settle in bounded time: the wave after it waits.
   * @param isThere called when a wave is put together; a client that has left takes no place in it
   * @returns what `enter` resolves to; undefined for a client that has left
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
