/** The longest time that setTimeout can wait, in milliseconds: 2^31 - 1, some 25 days. */
const TIMER_MAX = 2 ** 31 - 1

/**
 * Calls back once when the newest token of a socket ends. A token that is renewed in time moves the moment; one that
 * ends after more than setTimeout can wait is looked at again on the way.
 */
export class TokenLife {
  readonly #onEnd: () => void
  #timer: NodeJS.Timeout | undefined
  #stopped = false

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd
  }

  /** @param expiresAt null for a token that does not end */
  start(expiresAt: Date | null): void {
    clearTimeout(this.#timer)
    if (expiresAt !== null && !this.#stopped) this.#wait(expiresAt.getTime())
  }

  /** For good: a renewal may be under way. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
  }

  #wait(endsAt: number): void {
    const left = Math.max(0, endsAt - Date.now())
    this.#timer = setTimeout(() => (left > TIMER_MAX ? this.#wait(endsAt) : this.#onEnd()), Math.min(left, TIMER_MAX))
  }
}
