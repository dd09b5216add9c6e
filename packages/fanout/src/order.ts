/** Messages fetched at once. */
export const FETCH_MAX = 100

type Fetch = (from: number, to: number) => Promise<void>

/**
 * Puts what arrives in a room into the order of its seq.
 *
 * Two gateways store messages 5 and 6 of a conversation and publish them each on its own connection; 6 may well arrive
 * first. Every gateway holds it back until 5 is there. When `patienceMs` has passed it asks for 5 where it is stored: seq
 * has no gap, so what 6 came after is there. Only what is not found then is given up as lost (clients see the gap and
 * sync). So all members see one order, and a message that is published again is let through once.
 *
 * What is missing further on is asked for together with it: while Redis is away, every other message is, and one gap after
 * the other would fall behind for as long as that lasts.
 */
export class RoomOrder<T> {
  readonly #patienceMs: number
  readonly #deliver: (items: T[]) => void
  readonly #fetch: Fetch | undefined
  readonly #held = new Map<number, T>()
  /** Seqs below `#next` that were given up: welcome when they come after all. */
  readonly #missed = new Set<number>()
  #first: number | undefined
  #next: number
  #timer: NodeJS.Timeout | undefined
  #fetching = false

  /**
   * @param deliver is given what has its turn, in order
   * @param next the seq that comes first, when it is known; otherwise the first one that arrives is
   * @param fetch gets the seqs of a range, of which some are missing, and has them accepted before it resolves; never rejects
   */
  constructor(patienceMs: number, deliver: (items: T[]) => void, next?: number, fetch?: Fetch) {
    this.#patienceMs = patienceMs
    this.#deliver = deliver
    this.#fetch = fetch
    this.#first = next
    this.#next = next ?? 0
  }

  /** The seq that is waited for; undefined before the first one. */
  get next(): number | undefined {
    return this.#first === undefined ? undefined : this.#next
  }

  /** Takes items of consecutive seqs, the first of which is `seq`. */
  accept(seq: number, items: readonly T[]): void {
    if (this.#first === undefined) {
      this.#first = seq
      this.#next = seq
    }
    const due: T[] = []
    let at = seq
    for (const item of items) this.#place(at++, item, due)
    this.#release(due)
  }

  #place(seq: number, item: T, due: T[]): void {
    if (seq === this.#next) {
      due.push(item)
      this.#next++
      this.#follow(due)
    } else if (seq > this.#next) this.#held.set(seq, item)
    else if (seq < (this.#first ?? seq) || this.#missed.delete(seq)) due.push(item)
  }

  /** Adds what was waiting for the seq that has just come. */
  #follow(due: T[]): void {
    for (let item = this.#held.get(this.#next); item !== undefined; item = this.#held.get(this.#next)) {
      this.#held.delete(this.#next)
      this.#next++
      due.push(item)
    }
  }

  #release(due: T[]): void {
    if (this.#held.size > 0) this.#wait()
    else {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
    if (due.length > 0) this.#deliver(due)
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#held.clear()
  }

  #wait(): void {
    if (!this.#fetching) this.#timer ??= setTimeout(() => this.#runOut(), this.#patienceMs)
  }

  /** Patience has run out: what is missing is fetched, or given up where it cannot be. */
  #runOut(): void {
    this.#timer = undefined
    const from = this.#next
    if (this.#fetch === undefined) {
      this.#giveUp()
      return
    }
    this.#fetching = true
    void this.#fetch(from, this.#lastMissing()).then(() => {
      this.#fetching = false
      if (this.#held.size === 0) return
      if (this.#next === from) this.#giveUp()
      else this.#wait()
    })
  }

  /** The last seq that is missing of those that are fetched at once; where the first gap is wider, its last. */
  #lastMissing(): number {
    const gapEnd = Math.min(...this.#held.keys()) - 1
    let seq = Math.min(Math.max(...this.#held.keys()), this.#next + FETCH_MAX) - 1
    while (seq > gapEnd && this.#held.has(seq)) seq--
    return Math.max(seq, gapEnd)
  }

  /** Goes on at the lowest seq that is there; keeps the last 1,000 missing ones in mind. */
  #giveUp(): void {
    const lowest = Math.min(...this.#held.keys())
    for (let seq = Math.max(this.#next, lowest - 1_000); seq < lowest; seq++) this.#missed.add(seq)
    for (const seq of this.#missed) {
      if (this.#missed.size <= 1_000) break
      this.#missed.delete(seq)
    }
    this.#next = lowest
    const due: T[] = []
    this.#follow(due)
    this.#release(due)
  }
}
