import type { Message } from '@parley/protocol'
import type { Seen } from './client.ts'

/**
 * A conversation in a client: delivers each message once, in the order of seq. A message that arrives too early waits for the
 * missing ones.
 */
export class Transcript {
  readonly delivered: Seen[] = []
  readonly #waiting = new Map<number, Seen>()
  readonly #complain: (complaint: string) => void

  constructor(complain: (complaint: string) => void) {
    this.#complain = complain
  }

  /** The seq of the last delivered message. */
  get last(): number {
    return this.delivered.length
  }

  /** @returns false if an earlier message is missing */
  accept({ id, seq, senderId, content }: Message): boolean {
    const seen = { id, seq, senderId, content }
    if (seq <= this.last) {
      const before = this.delivered[seq - 1]
      // Repetition is fine: a message is published again if its gateway died. A different message with its seq is not.
      if (before?.id !== id || before.content !== content) this.#complain(`two messages with seq ${seq}`)
      return true
    }
    this.#waiting.set(seq, seen)
    for (let next = this.#waiting.get(this.last + 1); next !== undefined; next = this.#waiting.get(this.last + 1)) {
      this.#waiting.delete(next.seq)
      this.delivered.push(next)
    }
    return this.#waiting.size === 0
  }
}
