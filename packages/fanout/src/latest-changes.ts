import { remember } from '@parley/runtime/remember'

/** Changes that are kept in mind: any number of gateways' publishes are on their way at a time, yet not for long. */
const KEPT = 10_000

/**
 * The latest change of each person's membership that a gateway has heard of, by the seq as of which it holds. One that comes
 * after it, though it went before it, was held back or is of a slow process: it is passed over.
 */
export class LatestChanges {
  readonly #seqs = new Map<string, number>()

  /** Notes a change. @returns false where a later one is known */
  note(room: string, userId: string, seq: number): boolean {
    const key = `${room} ${userId}`
    if (seq < (this.#seqs.get(key) ?? 0)) return false
    remember(this.#seqs, key, seq, KEPT)
    return true
  }
}
