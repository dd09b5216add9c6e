/** More than this many who are not let in yet are a crowd. Half as many at two gateways are the usual coming and going. */
const CROWD = 400
/** What those ask who were let in last comes within this, in milliseconds. */
const AFTER_MS = 1_000

/**
 * Whether very many come at once, as they do when another gateway has died. Then it pays to wait for more of them before the
 * database is asked; at any other time waiting is all that it would do.
 */
export class Crowd {
  readonly #onTheirWay: () => number
  #seenAt = Number.NEGATIVE_INFINITY

  constructor(onTheirWay: () => number) {
    this.#onTheirWay = onTheirWay
  }

  /** Many have not been let in yet. */
  get waits(): boolean {
    if (this.#onTheirWay() <= CROWD) return false
    this.#seenAt = performance.now()
    return true
  }

  /** Many wait, or did a moment ago and are asking for what they missed. */
  get asks(): boolean {
    return this.waits || performance.now() - this.#seenAt < AFTER_MS
  }
}
