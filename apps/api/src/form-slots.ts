import { ParleyError } from '@parley/protocol'
import { PersonShare } from '@parley/runtime/person-share'

/** Counts the forms that are under way in this pod: all of them, and each person's. */
export class FormSlots {
  readonly #most: number
  readonly #share: PersonShare
  readonly #onLimited: () => void
  #all = 0

  /**
   * @param most forms that are taken at the same time
   * @param onLimited called for each that is refused as its person has their share
   */
  constructor(most: number, onLimited: () => void) {
    this.#most = most
    this.#onLimited = onLimited
    this.#share = new PersonShare(most)
  }

  /**
   * Takes a form while `work` is under way.
   * @throws {ParleyError} RATE_LIMITED where this person has their share under way, OVERLOADED where all are taken
   */
  async hold<T>(userId: string, work: () => Promise<T>): Promise<T> {
    if (this.#share.isTaken(userId)) {
      this.#onLimited()
      const message = `You have ${this.#share.most} messages with files under way; wait until one of them is sent.`
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
