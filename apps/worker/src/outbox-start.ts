import { type Database, firstOutboxId } from '@parley/db'

/** So often the first row is looked for, in milliseconds. */
const LOOK_MS = 10_000
/**
 * So many ids before the first row, rounds begin: batches that were being stored at that moment have lower ids than others
 * that are stored already. What takes longer to be stored than this many others is found by the next look.
 */
const IDS_BEFORE = 1_000

/**
 * Where in the outbox a round begins to look for rows. Rows that were deleted are passed one by one as long as a transaction
 * runs that began before, a dump's for one: from the front it was 0.5 s for 300,000 of them (on a busy machine), in every round.
 */
export class OutboxStart {
  readonly #db: Pick<Database, 'pool'>
  readonly #now: () => number
  #start = 0
  #taken = 0
  #lookAt = Number.NEGATIVE_INFINITY

  /** @param now the time in milliseconds; for tests */
  constructor(db: Pick<Database, 'pool'>, now: () => number = () => performance.now()) {
    this.#db = db
    this.#now = now
  }

  /** No row has a lower id than this, but for one that a later look finds. */
  async id(): Promise<number> {
    const now = this.#now()
    if (now >= this.#lookAt) {
      // Of an empty outbox what we took was all there was.
      const first = (await firstOutboxId(this.#db.pool)) ?? this.#taken
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
