import { Later } from '@parley/queue'

/** Of the jobs that a worker does at the same time, one person's may be an eighth, and one in any case. */
const PERSON_SHARE = 1 / 8
/** After which a job past that is looked at again, in milliseconds. */
const WAIT_MS = 1_000

/**
 * Keeps one person's jobs from taking up a worker. People choose the push services of their devices themselves, and one that
 * never answers holds a job for 10 to 20 s: with some conversations nobody else would be told of anything meanwhile.
 */
export class PersonShare {
  readonly #most: number
  readonly #underWay = new Map<string, number>()

  /** @param concurrency jobs of all people that are done at the same time */
  constructor(concurrency: number) {
    this.#most = Math.max(1, Math.floor(concurrency * PERSON_SHARE))
  }

  /** @throws {Later} while the person has their share under way */
  async take(userId: string, work: () => Promise<void>): Promise<void> {
    const before = this.#underWay.get(userId) ?? 0
    if (before >= this.#most) throw new Later(Date.now() + WAIT_MS)
    this.#underWay.set(userId, before + 1)
    try {
      await work()
    } finally {
      const left = (this.#underWay.get(userId) ?? 1) - 1
      if (left > 0) this.#underWay.set(userId, left)
      else this.#underWay.delete(userId)
    }
  }
}
