import type { Message } from '@parley/protocol'
import type { Seen } from './client.ts'

/**
 * One conversation as a client has it: delivers each message once, in the order of seq. What comes too early waits for
 * what is missing.
 */
export class Transcript {
  readonly delivered: Seen[] = []
  readonly #waiting = new Map<number, Seen>()
  readonly #complain: (complaint: string) => void

  constructor(complain: (complaint: string) => void) {
    this.#complain = complain
  }

  /** Seq of the last message delivered. */
  get last(): number {
    return this.delivered.length
  }

  /** @returns false when something before it is missing */
  accept({ id, seq, senderId, content }: Message): boolean {
    const seen = { id, seq, senderId, content }
    if (seq <= this.last) {
      const before = this.delivered[seq - 1]
      // Again is fine: a message is published anew when its gateway has died. Another one in its place is not.
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
