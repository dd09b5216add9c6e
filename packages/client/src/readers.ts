import type { Message } from '@parley/protocol'

type Read = Pick<Message, 'seq' | 'readBy'>

/**
 * Who has read what, according to the read marks seen so far. A fetched message lists its readers as of the fetch; a mark may
 * have moved while the response was in transit, or its event may have arrived first.
 */
export class Readers {
  /** What each user has read as far as their marks were seen: everything in `(from, to]`. */
  readonly #read = new Map<string, { from: number; to: number }>()

  /** Records that a user has read everything in `(from, to]`. */
  note(userId: string, from: number, to: number): void {
    const known = this.#read.get(userId)
    const isNext = known !== undefined && from <= known.to
    this.#read.set(userId, isNext ? { from: Math.min(known.from, from), to: Math.max(known.to, to) } : { from, to })
  }

  /** Forgets a user who is no longer a member. */
  forget(userId: string): void {
    this.#read.delete(userId)
  }

  /** Returns the ids of the readers that a message does not list. */
  missingIn({ seq, readBy }: Read): string[] {
    const missing: string[] = []
    for (const [userId, { from, to }] of this.#read) {
      if (from < seq && seq <= to && !readBy.includes(userId)) missing.push(userId)
    }
    return missing
  }

  /** Returns the message with all its readers; the same object if it lists them already. */
  complete(message: Message): Message {
    const missing = this.missingIn(message)
    return missing.length === 0 ? message : { ...message, readBy: [...message.readBy, ...missing] }
  }
}
