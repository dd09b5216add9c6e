/** With more handshakes pending than this, a short pause pays off: more of them share each query. */
const SEVERAL = 20
const SEVERAL_PAUSE_MS = 30
/** With more handshakes pending than this, a longer pause pays off. Ordinary churn keeps half as many pending at a gateway. */
const CROWD = 250
/**
 * Pauses between two waves of handshakes, and between two batches of sync queries (ms). Without them, 4,000 people reconnecting
 * at once took 39 statements for names and 59 for memberships; docs/PERFORMANCE.md has current figures.
 */
const WAVE_PAUSE_MS = 300
const QUESTIONS_PAUSE_MS = 200
/**
 * How long the pauses go on after the crowd was last seen, in milliseconds: on a busy processor connections are accepted a few
 * at a time, and the last to be let in still have to sync.
 */
const CROWD_LASTS_MS = 3_000

/**
 * Decides how long to wait for more connections before querying the database for those that are pending. When another gateway
 * dies, thousands reconnect at once; a few connections never wait.
 */
export class Crowd {
  readonly #onTheirWay: () => number
  #seenAt = Number.NEGATIVE_INFINITY

  /** @param onTheirWay returns how many connections have not finished their handshake */
  constructor(onTheirWay: () => number) {
    this.#onTheirWay = onTheirWay
  }

  /** Pause between two waves of handshakes, in milliseconds. */
  get wavePauseMs(): number {
    return this.#pauseMs(WAVE_PAUSE_MS)
  }

  /** Pause between two batches of sync queries, in milliseconds. */
  get questionsPauseMs(): number {
    return this.#pauseMs(QUESTIONS_PAUSE_MS)
  }

  #pauseMs(inCrowd: number, now = performance.now()): number {
    const people = this.#onTheirWay()
    if (people > CROWD) this.#seenAt = now
    if (now - this.#seenAt < CROWD_LASTS_MS) return inCrowd
    return people > SEVERAL ? SEVERAL_PAUSE_MS : 0
  }
}
