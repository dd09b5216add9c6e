/** Maximum number of revs remembered above a hole; with more, a sync is due anyway. */
const SEEN_MAX = 1_000

/**
 * Tracks up to which rev all changes of a conversation are known. Each event carries its rev; two events that overtake each
 * other leave a hole for a moment, a lost one leaves it until a sync.
 */
export class Revisions {
  readonly #now: () => number
  readonly #seen = new Set<number>()
  #upTo: number
  /** The highest rev known to exist. */
  #newest: number
  #holeSince: number | undefined

  constructor(upTo: number, now = () => performance.now()) {
    this.#upTo = upTo
    this.#newest = upTo
    this.#now = now
  }

  /** Every change up to this rev is known. This is what the client sends when it syncs. */
  get upTo(): number {
    return this.#upTo
  }

  /** The highest rev known to exist. */
  get newest(): number {
    return this.#newest
  }

  get hasHole(): boolean {
    return this.#newest > this.#upTo
  }

  /** Since when the first missing change has been missing, by `performance.now()`, as the device's clock may be adjusted. */
  get holeSince(): number | undefined {
    return this.#holeSince
  }

  /** The change with this rev is known. */
  saw(rev: number): void {
    if (rev > this.#upTo && this.#seen.size < SEEN_MAX) this.#seen.add(rev)
    this.expect(rev)
  }

  /** A change with this rev exists; it need not be known. */
  expect(rev: number): void {
    if (rev > this.#newest) this.#newest = rev
    this.#advance()
  }

  /** A sync has brought everything up to this rev. */
  synced(rev: number): void {
    if (rev > this.#upTo) {
      this.#upTo = rev
      this.#holeSince = undefined
    }
    for (const seen of this.#seen) if (seen <= this.#upTo) this.#seen.delete(seen)
    this.expect(rev)
  }

  #advance(): void {
    const before = this.#upTo
    while (this.#seen.delete(this.#upTo + 1)) this.#upTo++
    if (!this.hasHole) this.#holeSince = undefined
    else if (this.#holeSince === undefined || this.#upTo > before) this.#holeSince = this.#now()
  }
}
