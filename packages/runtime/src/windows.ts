/** The window of every limit whose setting ends in `_PER_10S`, in milliseconds. */
export const LIMIT_WINDOW_MS = 10_000

interface Window {
  taken: number
  /** By `performance.now()`. */
  endsAt: number
}

/**
 * A fixed-window limiter: up to `most` per key in a window of time, which starts with the key's first one. Kept in memory,
 * without a timer per key: at a thousand connections a second, timers were a cost of their own.
 */
export class Windows<Key = string> {
  readonly #most: number
  readonly #lengthMs: number
  readonly #open = new Map<Key, Window>()
  #sweepAt = 0

  /** @param most maximum per window; 0 for no limit */
  constructor(most: number, lengthMs: number) {
    this.#most = most
    this.#lengthMs = lengthMs
  }

  /**
   * Takes `count`, all or nothing; the first of a window is always accepted.
   * @returns 0 if accepted, else the milliseconds until the window ends
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

  /** Number of keys in memory. */
  get size(): number {
    return this.#open.size
  }

  #sweep(now: number): void {
    this.#sweepAt = now + this.#lengthMs
    for (const [key, { endsAt }] of this.#open) if (endsAt <= now) this.#open.delete(key)
  }
}
