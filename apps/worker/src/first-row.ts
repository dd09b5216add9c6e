/** So often the first row is looked for, in milliseconds. */
const LOOK_MS = 10_000
/**
 * So many ids before the first row, rounds begin: what was being stored at that moment has lower ids than others that are
 * stored already. What takes longer to be stored than this many others is found by the next look.
 */
const IDS_BEFORE = 1_000

/**
 * Where in a table that is worked off by rising ids a round begins to look for rows. Rows that were deleted are passed one by one
 * as long as a transaction runs that began before, a dump's for one: of the outbox, 300,000 of them took half a second on a busy
 * machine, in every round.
 */
export class FirstRow {
  readonly #look: () => Promise<number | undefined>
  readonly #now: () => number
  #start = 0
  #taken = 0
  #lookAt = Number.NEGATIVE_INFINITY

  /**
   * @param look resolves to the id of the table's first row, whoever holds it; undefined where there is none
   * @param now the time in milliseconds; for tests
   */
  constructor(look: () => Promise<number | undefined>, now: () => number = () => performance.now()) {
    this.#look = look
    this.#now = now
  }

  /** No row has a lower id than this, but for one that a later look finds. */
  async id(): Promise<number> {
    const now = this.#now()
    if (now >= this.#lookAt) {
      // Of an empty table what we took was all there was.
      const first = (await this.#look()) ?? this.#taken
      this.#start = Math.max(0, first - IDS_BEFORE)
      this.#lookAt = now + LOOK_MS
    }
    return this.#start
  }

  /** These rows were taken. */
  took(ids: readonly number[]): void {
    this.#taken = Math.max(this.#taken, ...ids)
  }
}
