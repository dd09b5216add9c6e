/** Revs above a hole that are kept in mind; with more of them a sync is due anyway. */
const SEEN_MAX = 1_000

/**
 * How far a conversation's changes are known without a hole. Events come with the rev they took; two that cross on their
 * way leave a hole for a moment, one that was lost leaves it for good.
 */
export class Revisions {
  readonly #now: () => number
  readonly #seen = new Set<number>()
  #upTo: number
  /** There are changes up to this rev. */
  #newest: number
  #holeSince: number | undefined

  constructor(upTo: number, now = () => performance.now()) {
    this.#upTo = upTo
    this.#newest = upTo
    this.#now = now
  }

  /** Everything up to this rev is known: what the client says when it syncs. */
  get upTo(): number {
    return this.#upTo
  }

  /** The newest that has been heard of. */
  get newest(): number {
    return this.#newest
  }

  get hasHole(): boolean {
    return this.#newest > this.#upTo
  }

  /** Since when the change that is missing now has been missing, by `performance.now()`: the device's clock may be set. */
  get holeSince(): number | undefined {
    return this.#holeSince
  }

  /** A change that took this rev is known. */
  saw(rev: number): void {
    if (rev > this.#upTo && this.#seen.size < SEEN_MAX) this.#seen.add(rev)
    this.expect(rev)
  }

  /** There is a change that took this rev; it need not be known. */
  expect(rev: number): void {
    if (rev > this.#newest) this.#newest = rev
    this.#advance()
  }

  /** A sync told everything up to this rev. */
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
