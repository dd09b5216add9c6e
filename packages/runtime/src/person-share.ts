/** The share of concurrent work that one user may have in progress. At least one in any case. */
const SHARE = 1 / 8

/** Keeps one user from taking up a whole process: counts the work that each has in progress, up to their share. */
export class PersonShare {
  /** Maximum amount of work in progress for one user. */
  readonly most: number
  readonly #inProgress = new Map<string, number>()

  /** @param all maximum amount of concurrent work of the process, for all users */
  constructor(all: number) {
    this.most = Math.max(1, Math.floor(all * SHARE))
  }

  /** Whether a user's share is used up. */
  isTaken(userId: string): boolean {
    return this.#of(userId) >= this.most
  }

  /** Counts `work` as the user's while it is in progress. */
  async hold<T>(userId: string, work: () => Promise<T>): Promise<T> {
    this.#inProgress.set(userId, this.#of(userId) + 1)
    try {
      return await work()
    } finally {
      const left = this.#of(userId) - 1
      if (left === 0) this.#inProgress.delete(userId)
      else this.#inProgress.set(userId, left)
    }
  }

  #of(userId: string): number {
    return this.#inProgress.get(userId) ?? 0
  }
}
