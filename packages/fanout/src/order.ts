/** Maximum number of messages per fetch. */
export const FETCH_MAX = 100

type Fetch = (from: number, to: number) => Promise<void>

/**
 * Puts the messages that arrive in a room into seq order.
 *
 * Two gateways may store messages 5 and 6 of a conversation and publish them, each on its own connection, so that 6 arrives
 * first. Every gateway holds it back until 5 has arrived. After `patienceMs` it fetches 5 from storage: seq has no gaps, so
 * whatever precedes 6 is stored. Only what is not found then is given up as lost (clients see the gap and sync). So all members
 * see the same order, and a message that is published again is delivered once.
 *
 * Messages missing further on are fetched along with it: while Redis is down, every other message may be missing, and filling
 * one gap at a time would fall further and further behind.
 */
export class RoomOrder<T> {
  readonly #patienceMs: number
  readonly #deliver: (items: T[]) => void
  readonly #fetch: Fetch | undefined
  readonly #held = new Map<number, T>()
  /** Seqs below `#next` that were given up, and are still accepted if they arrive after all. */
  readonly #missed = new Set<number>()
  #first: number | undefined
  #next: number
  #timer: NodeJS.Timeout | undefined
  #fetching = false

  /**
   * @param patienceMs how long to wait for a missing seq, in milliseconds
   * @param deliver called with the items that are due, in order
   * @param next the first seq, if known; otherwise that of the first item to arrive
   * @param fetch fetches a range, some of which is missing, and calls `accept` with it before it resolves; never rejects
   */
  constructor(patienceMs: number, deliver: (items: T[]) => void, next?: number, fetch?: Fetch) {
    this.#patienceMs = patienceMs
    this.#deliver = deliver
    this.#fetch = fetch
    this.#first = next
    this.#next = next ?? 0
  }

  /** The next seq; undefined before the first one is known. */
  get next(): number | undefined {
    return this.#first === undefined ? undefined : this.#next
  }

  /** Accepts items with consecutive seqs starting at `seq`. */
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

  /** Adds the held items that follow the seq that has just arrived. */
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

  /** Patience has run out: fetches what is missing, or gives it up. */
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

  /** The last missing seq within one fetch; if the first gap is wider than that, its end. */
  #lastMissing(): number {
    const gapEnd = Math.min(...this.#held.keys()) - 1
    let seq = Math.min(Math.max(...this.#held.keys()), this.#next + FETCH_MAX) - 1
    while (seq > gapEnd && this.#held.has(seq)) seq--
    return Math.max(seq, gapEnd)
  }

  /** Continues at the lowest seq held; remembers the last 1,000 missing ones. */
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
