import { ParleyError } from '@parley/protocol'

/** Of the forms that a pod takes at the same time, one person may have an eighth under way, and one in any case. */
const PERSON_SHARE = 1 / 8

/** Counts the forms that are under way in this pod: all of them, and each person's. */
export class FormSlots {
  readonly #most: number
  readonly #mostEach: number
  readonly #onLimited: () => void
  readonly #each = new Map<string, number>()
  #all = 0

  /**
   * @param most forms that are taken at the same time
   * @param onLimited called for each that is refused as its person has their share
   */
  constructor(most: number, onLimited: () => void) {
    this.#most = most
    this.#onLimited = onLimited
    this.#mostEach = Math.max(1, Math.floor(most * PERSON_SHARE))
  }

  /**
   * Takes a form while `work` is under way.
   * @throws {ParleyError} RATE_LIMITED where this person has their share under way, OVERLOADED where all are taken
   */
  async hold<T>(userId: string, work: () => Promise<T>): Promise<T> {
    if (this.#of(userId) >= this.#mostEach) {
      this.#onLimited()
      const message = `You have ${this.#mostEach} messages with files under way; wait until one of them is sent.`
      throw new ParleyError('RATE_LIMITED', { message })
    }
    if (this.#all >= this.#most) throw new ParleyError('OVERLOADED')
    this.#count(userId, 1)
    try {
      return await work()
    } finally {
      this.#count(userId, -1)
    }
  }

  #of(userId: string): number {
    return this.#each.get(userId) ?? 0
  }

  #count(userId: string, change: 1 | -1): void {
    this.#all += change
    const own = this.#of(userId) + change
    if (own === 0) this.#each.delete(userId)
    else this.#each.set(userId, own)
  }
}
