import { setTimeout as delay } from 'node:timers/promises'

/** A value may still be a promise when the query has ended: only the callers who asked for it then wait for it. */
type Load<Key, Value> = (keys: Key[]) => Promise<Map<Key, Value | PromiseLike<Value>>>

/**
 * Combines the loads of one turn of the event loop into one query: a thousand users who connect at once cost a few queries,
 * not a thousand. One query runs at a time; loads that arrive meanwhile share the next one.
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
   * @param load runs one query for distinct keys; keys missing from its result load as undefined
   * @param lingerMs minimum pause between consecutive queries, so that each serves more loads; the first one after a pause
   *   is not delayed. Called before each query. Milliseconds
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
