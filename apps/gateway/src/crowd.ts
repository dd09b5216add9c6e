/** With more than this who are not let in yet it pays to gather those who come for a moment. */
const SEVERAL = 20
const SEVERAL_PAUSE_MS = 30
/** With more than this it pays to wait. Half as many at each gateway are busy coming and going. */
const CROWD = 250
/**
 * Pauses between two waves of people who are let in, and between two batches of what they ask (ms). 4,000 who came back at
 * once took 39 and 59 statements for names and memberships without them; figures of now in docs/PERFORMANCE.md.
 */
const WAVE_PAUSE_MS = 300
const QUESTIONS_PAUSE_MS = 200
/**
 * A crowd lasts for so long after it was last seen, in milliseconds: where the processor is short, its people are accepted few
 * by few, and those who were let in last have questions yet.
 */
const CROWD_LASTS_MS = 3_000

/**
 * How long it pays to wait for more people before the database is asked about those who are there. Very many come at once
 * when another gateway has died; a few wait for nothing.
 */
export class Crowd {
  readonly #onTheirWay: () => number
  #seenAt = Number.NEGATIVE_INFINITY

  /** @param onTheirWay how many are connected and not let in yet */
  constructor(onTheirWay: () => number) {
    this.#onTheirWay = onTheirWay
  }

  /** Between two waves, in milliseconds. */
  get wavePauseMs(): number {
    return this.#pauseMs(WAVE_PAUSE_MS)
  }

  /** Between two batches of questions, in milliseconds. */
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
