/** Of what is done at the same time one person may have an eighth under way, and one in any case. */
const SHARE = 1 / 8

/** Keeps one person from taking up a process: what each has under way in it, up to their share. */
export class PersonShare {
  /** What one person may have under way. */
  readonly most: number
  readonly #underWay = new Map<string, number>()

  /** @param all how much the process does at the same time, for all people */
  constructor(all: number) {
    this.most = Math.max(1, Math.floor(all * SHARE))
  }

  /** Whether the person has all of their share under way. */
  isTaken(userId: string): boolean {
    return this.#of(userId) >= this.most
  }

  /** Counts `work` as the person's while it is under way. */
  async hold<T>(userId: string, work: () => Promise<T>): Promise<T> {
    this.#underWay.set(userId, this.#of(userId) + 1)
    try {
      return await work()
    } finally {
      const left = this.#of(userId) - 1
      if (left === 0) this.#underWay.delete(userId)
      else this.#underWay.set(userId, left)
    }
  }

  #of(userId: string): number {
    return this.#underWay.get(userId) ?? 0
  }
}
