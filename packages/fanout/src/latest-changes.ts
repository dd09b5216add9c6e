import { Recent } from '@parley/runtime/recent'

/** Changes that are kept in mind at least: any number of gateways' publishes are on their way at a time, yet not for long. */
const KEPT = 5_000

/**
 * The latest change of each person's membership that a gateway has heard of, or its latest look at it, by the seq as of which
 * it holds. A change that comes after it, though it went before it, was held back or is of a slow process: it is passed over.
 */
export class LatestChanges {
  readonly #seqs = new Recent<string, number>(KEPT)

  /** Notes a change. @returns false where a later one is known */
  note(room: string, userId: string, seq: number): boolean {
    const key = keyOf(room, userId)
    if (seq < (this.#seqs.get(key) ?? 0)) return false
    this.#seqs.set(key, seq)
    return true
  }

  /** As of which seq the latest one holds that is known; 0 where none is. */
  latest(room: string, userId: string): number {
    return this.#seqs.get(keyOf(room, userId)) ?? 0
  }
}

function keyOf(room: string, userId: string): string {
  return `${room} ${userId}`
}
