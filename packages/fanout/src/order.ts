/**
 * Puts what arrives in a room into the order of its seq.
 *
 * Two gateways store messages 5 and 6 of a conversation and publish them each on its own connection; 6 may well arrive
 * first. Every gateway holds it back until 5 is there, or until `patienceMs` has passed and 5 is given up as lost on the
 * way (clients then see the gap and sync). So all members see one order, and a message that is published again is let
 * through once.
 */
export class RoomOrder<T> {
  readonly #patienceMs: number
  readonly #deliver: (item: T) => void
  readonly #held = new Map<number, T>()
  /** Seqs below `#next` that were given up: welcome when they come after all. */
  readonly #missed = new Set<number>()
  #first: number | undefined
  #next: number
  #timer: NodeJS.Timeout | undefined

  /** @param next the seq that comes first, when it is known; otherwise the first one that arrives is. */
  constructor(patienceMs: number, deliver: (item: T) => void, next?: number) {
    this.#patienceMs = patienceMs
    this.#deliver = deliver
    this.#first = next
    this.#next = next ?? 0
  }

  /** The seq that is waited for; undefined before the first one. */
  get next(): number | undefined {
    return this.#first === undefined ? undefined : this.#next
  }

  accept(seq: number, item: T): void {
    if (this.#first === undefined) {
      this.#first = seq
      this.#next = seq
    }
    if (seq === this.#next) {
      this.#deliver(item)
      this.#next++
      this.#release()
    } else if (seq > this.#next) {
      this.#held.set(seq, item)
      this.#timer ??= setTimeout(() => this.#giveUp(), this.#patienceMs)
    } else if (seq < this.#first || this.#missed.delete(seq)) {
      this.#deliver(item)
    }
  }

  close(): void {
    clearTimeout(this.#timer)
    this.#held.clear()
  }

  /** Delivers what was waiting for the seq that has just come. */
  #release(): void {
    for (let item = this.#held.get(this.#next); item !== undefined; item = this.#held.get(this.#next)) {
      this.#held.delete(this.#next)
      this.#next++
      this.#deliver(item)
    }
    if (this.#held.size === 0) {
      clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  /** Goes on at the lowest seq that is there; keeps the last 1,000 missing ones in mind. */
  #giveUp(): void {
    this.#timer = undefined
    const lowest = Math.min(...this.#held.keys())
    for (let seq = Math.max(this.#next, lowest - 1_000); seq < lowest; seq++) this.#missed.add(seq)
    for (const seq of this.#missed) {
      if (this.#missed.size <= 1_000) break
      this.#missed.delete(seq)
    }
    this.#next = lowest
    this.#release()
    if (this.#held.size > 0) this.#timer ??= setTimeout(() => this.#giveUp(), this.#patienceMs)
  }
}
