/** The window of every limit whose setting ends in `_PER_10S`, in milliseconds. */
export const LIMIT_WINDOW_MS = 10_000

interface Window {
  taken: number
  /** By `performance.now()`. */
  endsAt: number
}

/**
 * So many of something for each key in a window of time, which begins with the key's first. In memory and without a timer for
 * each key: at a thousand connections a second, those were a cost of their own.
 */
export class Windows<Key = string> {
  readonly #most: number
  readonly #lengthMs: number
  readonly #open = new Map<Key, Window>()
  #sweepAt = 0

  /** @param most in a window; 0 for any number */
  constructor(most: number, lengthMs: number) {
    this.#most = most
    this.#lengthMs = lengthMs
  }

  /**
   * Counts one, or `count` in one go, which is taken whole or not at all; the first of a window in any case.
   * @returns 0 where it is taken, else the milliseconds until the next one is
   */
  take(key: Key, count = 1, now = performance.now()): number {
    if (this.#most === 0) return 0
    if (now >= this.#sweepAt) this.#sweep(now)
    const window = this.#open.get(key)
    if (window === undefined || window.endsAt <= now) {
      this.#open.set(key, { taken: count, endsAt: now + this.#lengthMs })
      return 0
    }
    if (window.taken + count > this.#most) return Math.max(1, Math.ceil(window.endsAt - now))
    window.taken += count
    return 0
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#open.size
  }

  #sweep(now: number): void {
    this.#sweepAt = now + this.#lengthMs
    for (const [key, { endsAt }] of this.#open) if (endsAt <= now) this.#open.delete(key)
  }
}
