import type { Message } from '@parley/protocol'

/** Messages that wait for an earlier one; more are let go: the gap before them is filled, and they come again. */
const WAITING_MAX = 2_000

/** Lets each message of a conversation through once, in the order of seq; those that come too early wait. */
export class Sequence {
  readonly #waiting = new Map<number, Message>()
  #delivered: number
  /** There are messages up to this seq. */
  #known: number

  /** @param delivered the seq after which delivery begins */
  constructor(delivered: number) {
    this.#delivered = delivered
    this.#known = delivered
  }

  /** Every message up to this seq has been let through or is not to be. */
  get delivered(): number {
    return this.#delivered
  }

  get known(): number {
    return this.#known
  }

  /** A message is missing that is known to be there. */
  get hasGap(): boolean {
    return this.#known > this.#delivered
  }

  /** Messages up to this seq exist. */
  expect(seq: number): void {
    if (seq > this.#known) this.#known = seq
  }

  /** Takes a message in; answers with those that are next now. None for one that was let through before. */
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
