import type { Message } from '@parley/protocol'

/** Maximum number of messages waiting for an earlier one. Further ones are dropped: filling the gap fetches them again. */
const WAITING_MAX = 2_000

/** Releases each message of a conversation once, in seq order; holds back those that arrive early. */
export class Sequence {
  readonly #waiting = new Map<number, Message>()
  #delivered: number
  /** The highest seq known to exist. */
  #known: number

  /** @param delivered the seq after which delivery begins */
  constructor(delivered: number) {
    this.#delivered = delivered
    this.#known = delivered
  }

  /** Every message up to this seq has been released or skipped. */
  get delivered(): number {
    return this.#delivered
  }

  get known(): number {
    return this.#known
  }

  /** Whether a message that is known to exist is missing. */
  get hasGap(): boolean {
    return this.#known > this.#delivered
  }

  /** Records that messages up to this seq exist. */
  expect(seq: number): void {
    if (seq > this.#known) this.#known = seq
  }

  /** Accepts a message; returns those that are next in order now. None if it was released before. */
  accept(message: Message): Message[] {
    const { seq } = message
    if (seq <= this.#delivered) return []
    this.expect(seq)
    if (this.#waiting.size >= WAITING_MAX && seq !== this.#delivered + 1) return []
    this.#waiting.set(seq, message)
    const ready: Message[] = []
    for (let next = this.#take(); next !== undefined; next = this.#take()) ready.push(next)
    return ready
  }

  /** Gives up on everything up to `seq`. */
  skipTo(seq: number): void {
    for (const waiting of this.#waiting.keys()) if (waiting <= seq) this.#waiting.delete(waiting)
    if (seq > this.#delivered) this.#delivered = seq
    this.expect(seq)
  }

  #take(): Message | undefined {
    const next = this.#waiting.get(this.#delivered + 1)
    if (next === undefined) return undefined
    this.#waiting.delete(next.seq)
    this.#delivered = next.seq
    return next
  }
}
