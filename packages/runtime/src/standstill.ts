const LOOK_MS = 1_000

/**
 * Notices that this process has stood still (SIGSTOP, a container that was paused). What came for it meanwhile is read when
 * it wakes, and is not to be served then: whoever sent it has gone elsewhere, where the same may have been refused, and has
 * written on since.
 */
export class Standstill {
  readonly #longestMs: number
  readonly #onEnd: () => void
  readonly #timer: NodeJS.Timeout
  #seenAt = performance.now()
  #endedAt = Number.NEGATIVE_INFINITY

  /**
   * @param longestMs how long it may stand still before others take it for dead
   * @param onEnd called when it has stood still for longer
   */
  constructor(longestMs: number, onEnd: () => void = () => undefined) {
    this.#longestMs = longestMs
    this.#onEnd = onEnd
    this.#timer = setInterval(() => this.look(), LOOK_MS)
  }

  /**
   * Call before what came in is served: it may be read before timers run.
   * @returns whether it has stood still since the last look
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
   * Whether what was read at a moment (`performance.now()`) may have come before or during a standstill. What has waited for
   * it, in connections that had yet to be accepted too, is read within a second of its end.
   */
  covers(readAt: number): boolean {
    this.look()
    return readAt < this.#endedAt + LOOK_MS
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
