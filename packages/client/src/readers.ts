import type { Message } from '@parley/protocol'

type Read = Pick<Message, 'seq' | 'readBy'>

/**
 * Who has read what, as far as it is known of marks that moved. A message says who had read it when it was asked for; a mark
 * may move while it is on its way, or be heard of before it.
 */
export class Readers {
  /** What each person has read since their mark is watched: everything in `(from, to]`. */
  readonly #read = new Map<string, { from: number; to: number }>()

  /** A person has read everything in `(from, to]`. */
  note(userId: string, from: number, to: number): void {
    const known = this.#read.get(userId)
    const isNext = known !== undefined && from <= known.to
    this.#read.set(userId, isNext ? { from: Math.min(known.from, from), to: Math.max(known.to, to) } : { from, to })
  }

  /** A person is not a member any more: what members have read is not asked of them. */
  forget(userId: string): void {
    this.#read.delete(userId)
  }

  /** Ids of those who have read it and of whom it does not say so. */
  missingIn({ seq, readBy }: Read): string[] {
    const missing: string[] = []
    for (const [userId, { from, to }] of this.#read) {
      if (from < seq && seq <= to && !readBy.includes(userId)) missing.push(userId)
    }
    return missing
  }

  /** A message with all who have read it; the same object where it says so. */
  complete(message: Message): Message {
    const missing = this.missingIn(message)
    return missing.length === 0 ? message : { ...message, readBy: [...message.readBy, ...missing] }
  }
}
