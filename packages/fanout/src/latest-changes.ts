import { Recent } from '@parley/runtime/recent'

/** Minimum number of changes remembered: many publishes may be in flight at a time, but none for long. */
const KEPT = 5_000

/**
 * The latest known change, or lookup, of each user's membership, by the seq as of which it holds. An earlier change that arrives
 * later was delayed or comes from a slow process: it is ignored.
 */
export class LatestChanges {
  readonly #seqs = new Recent<string, number>(KEPT)

  /** Records a change. @returns false if a later one is known */
  note(room: string, userId: string, seq: number): boolean {
    const key = keyOf(room, userId)
    if (seq < (this.#seqs.get(key) ?? 0)) return false
    this.#seqs.set(key, seq)
    return true
  }

  /** Forgets everything: from now on, seqs belong to another history. */
  clear(): void {
    this.#seqs.clear()
  }

  /** Returns the seq as of which the latest known one holds; 0 if none is known. */
  latest(room: string, userId: string): number {
    return this.#seqs.get(keyOf(room, userId)) ?? 0
  }
}

function keyOf(room: string, userId: string): string {
  return `${room} ${userId}`
}
