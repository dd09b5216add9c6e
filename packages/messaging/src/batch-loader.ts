import { setTimeout as delay } from 'node:timers/promises'

/** What is still promised when the query has ended holds nobody up but those who asked for it. */
type Load<Key, Value> = (keys: Key[]) => Promise<Map<Key, Value | PromiseLike<Value>>>

/**
 * Gathers what is asked for in one turn of the event loop into one query: a thousand people who connect at once cost a
 * few queries, not a thousand.
 */
export class BatchLoader<Key, Value> {
  readonly #load: Load<Key, Value>
  readonly #maxBatch: number
  readonly #lingerMs: () => number
  #lastRan = Number.NEGATIVE_INFINITY
  #waiting: {
    key: Key
    resolve: (value: Value | PromiseLike<Value> | undefined) => void
    reject: (error: unknown) => void
  }[] = []
  #running = false

  /**
   * One query at a time: while it is under way, what comes in waits and shares the next.
   * @param lingerMs queries that follow each other are held apart by this, so that each serves more; the first after a
   *   pause waits for nothing. Asked before each.
   */
  constructor(load: Load<Key, Value>, maxBatch: number, lingerMs: () => number = () => 0) {
    this.#load = load
    this.#maxBatch = maxBatch
    this.#lingerMs = lingerMs
  }

  load(key: Key): Promise<Value | undefined> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ key, resolve, reject })
      if (this.#running) return
      this.#running = true
      const lingerMs = this.#lastRan + this.#lingerMs() - performance.now()
      if (lingerMs > 0) setTimeout(() => void this.#run(), lingerMs)
      else setImmediate(() => void this.#run())
    })
  }

  async #run(): Promise<void> {
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, this.#maxBatch)
      try {
        const values = await this.#load([...new Set(batch.map(({ key }) => key))])
        for (const { key, resolve } of batch) resolve(values.get(key))
      } catch (error) {
        for (const { reject } of batch) reject(error)
      }
      const lingerMs = this.#waiting.length > 0 ? this.#lingerMs() : 0
      if (lingerMs > 0) await delay(lingerMs)
    }
    this.#lastRan = performance.now()
    this.#running = false
  }
}
