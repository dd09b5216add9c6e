/** How often the first row is looked up, in milliseconds. */
const LOOK_MS = 10_000
/**
 * Rounds start this many ids before the first row, because rows that were still uncommitted then may have lower ids. A row
 * that takes longer to commit than this many others is found by the next look-up.
 */
const IDS_BEFORE = 1_000

/**
 * Remembers where a queue table's rows start, so that rounds need not scan from id 0. While an older transaction runs (a dump,
 * for example), deleted rows cannot be vacuumed and each scan passes over them: with 300,000 of them in the outbox, that took
 * half a second per round on a busy machine.
 */
export class FirstRow {
  readonly #look: () => Promise<number | undefined>
  readonly #now: () => number
  #start = 0
  #taken = 0
  #lookAt = Number.NEGATIVE_INFINITY

  /**
   * @param look resolves to the id of the table's first row, locked or not; undefined when the table is empty
   * @param now returns the time in milliseconds; for tests
   */
  constructor(look: () => Promise<number | undefined>, now: () => number = () => performance.now()) {
    this.#look = look
    this.#now = now
  }

  /** Returns a lower bound for the ids of rows. Any row below it is found after a later look-up. */
  async id(): Promise<number> {
    const now = this.#now()
    if (now >= this.#lookAt) {
      const first = await this.#look()
      // Ids start over, as after a restore: what was taken before says nothing about the rows to come.
      if (first !== undefined && first < this.#taken - IDS_BEFORE) this.#taken = first
      // An empty table: everything up to the last row taken is gone.
      this.#start = Math.max(0, (first ?? this.#taken) - IDS_BEFORE)
      this.#lookAt = now + LOOK_MS
    }
    return this.#start
  }

  /** Records which rows were taken. */
  took(ids: readonly number[]): void {
    this.#taken = Math.max(this.#taken, ...ids)
  }
}
