const LOOK_MS = 1_000

/**
 * Notices that this process was frozen (SIGSTOP, a paused container). Requests that arrived meanwhile are read when it resumes
 * and must not be served then: their senders have moved to other processes, where the same request may have been refused, and
 * have sent more since.
 */
export class Standstill {
  readonly #longestMs: number
  readonly #onEnd: () => void
  readonly #timer: NodeJS.Timeout
  #seenAt = performance.now()
  #endedAt = Number.NEGATIVE_INFINITY

  /**
   * @param longestMs how long it may be frozen before others consider it dead
   * @param onEnd called after it was frozen for longer than that
   */
  constructor(longestMs: number, onEnd: () => void = () => undefined) {
    this.#longestMs = longestMs
    this.#onEnd = onEnd
    this.#timer = setInterval(() => this.look(), LOOK_MS)
  }

  /**
   * Checks for a freeze. Call it before serving input, which may be read before timers run.
   * @returns whether the process was frozen since the last check
   */
  look(): boolean {
    const now = performance.now()
    const stoodStill = now - this.#seenAt > this.#longestMs
    this.#seenAt = now
    if (stoodStill) {
      this.#endedAt = now
      this.#onEnd()
    }
    return stoodStill
  }

  /**
   * Whether input read at a given time (`performance.now()`) may have arrived before or during a freeze. Everything that was
   * waiting, even in connections not accepted yet, is read within a second of its end.
   */
  covers(readAt: number): boolean {
    this.look()
    return readAt < this.#endedAt + LOOK_MS
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
