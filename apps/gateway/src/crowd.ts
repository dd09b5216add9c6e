/** With more than this who are not let in yet it pays to gather those who come for a moment. */
const SEVERAL = 20
const SEVERAL_PAUSE_MS = 30
/** With more than this it pays to wait. Half as many at two gateways are busy coming and going. */
const CROWD = 400
/**
 * Pauses between two waves of people who are let in, and between two batches of what they ask (ms). 4,000 who came back at
 * once took 39 and 59 statements for names and memberships without them; figures of now in docs/PERFORMANCE.md.
 */
const WAVE_PAUSE_MS = 300
const QUESTIONS_PAUSE_MS = 200
/** What those ask who were let in last comes within this, in milliseconds. */
const AFTER_MS = 1_000

/**
 * How long it pays to wait for more people before the database is asked about those who are there. Very many come at once
 * when another gateway has died; a few wait for nothing.
 */
export class Crowd {
  readonly #onTheirWay: () => number
  #crowdedAt = Number.NEGATIVE_INFINITY

  constructor(onTheirWay: () => number) {
    this.#onTheirWay = onTheirWay
  }

  /** Between two waves, in milliseconds. */
  get wavePauseMs(): number {
    const people = this.#onTheirWay()
    if (people > CROWD) {
      this.#crowdedAt = performance.now()
      return WAVE_PAUSE_MS
    }
    return people > SEVERAL ? SEVERAL_PAUSE_MS : 0
  }

  /** Between two batches of questions, in milliseconds. */
  get questionsPauseMs(): number {
    const pauseMs = this.wavePauseMs
    return performance.now() - this.#crowdedAt < AFTER_MS ? QUESTIONS_PAUSE_MS : pauseMs
  }
}
