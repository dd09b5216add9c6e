import { ParleyError } from '@parley/protocol'
import { PersonShare } from '@parley/runtime/person-share'

/** Limits how many multipart forms this pod accepts at the same time, in total and per person. */
export class FormSlots {
  readonly #most: number
  readonly #share: PersonShare
  readonly #onLimited: () => void
  #all = 0

  /**
   * @param most forms accepted at the same time
   * @param onLimited called for each form refused because its sender already has their share
   */
  constructor(most: number, onLimited: () => void) {
    this.#most = most
    this.#onLimited = onLimited
    this.#share = new PersonShare(most)
  }

  /**
   * Holds a slot while `work` runs.
   * @throws {ParleyError} RATE_LIMITED when this person already has their share, OVERLOADED when no slot is free
   */
  async hold<T>(userId: string, work: () => Promise<T>): Promise<T> {
    if (this.#share.isTaken(userId)) {
      this.#onLimited()
      const message = `You are already sending ${this.#share.most} messages with files; wait until one of them is sent.`
      throw new ParleyError('RATE_LIMITED', { message })
    }
    if (this.#all >= this.#most) throw new ParleyError('OVERLOADED')
    this.#all++
    try {
      return await this.#share.hold(userId, work)
    } finally {
      this.#all--
    }
  }
}
