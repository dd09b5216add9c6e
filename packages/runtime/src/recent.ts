/**
 * Holds what was put in last: the latest `most` values at least, and twice as many at most.
 *
 * Two maps, of which the older one is let go of as a whole. In one map from which the oldest is taken out, each look for the oldest
 * steps over all that was taken out before: with 10,000 in it, 80,000 notes were a sixth of what a gateway spent on 4,000
 * connections (docs/PERFORMANCE.md, "The oldest of many").
 */
export class Recent<Key, Value> {
  readonly #most: number
  #latest = new Map<Key, Value>()
  #before = new Map<Key, Value>()

  constructor(most: number) {
    this.#most = most
  }

  get(key: Key): Value | undefined {
    return this.#latest.get(key) ?? this.#before.get(key)
  }

  /** It becomes the latest. */
  set(key: Key, value: Value): void {
    if (this.#latest.size >= this.#most && !this.#latest.has(key)) {
      this.#before = this.#latest
      this.#latest = new Map()
    }
    this.#latest.set(key, value)
  }

  delete(key: Key): void {
    this.#latest.delete(key)
    this.#before.delete(key)
  }
}
