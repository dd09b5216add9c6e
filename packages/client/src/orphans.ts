import type { Message } from '@parley/protocol'

/** Older ones are dropped: a sync will bring their conversation and what is missing in it. */
const MAX_ORPHANS = 500
/** How long they are kept at least, in milliseconds. */
const KEEP_MS = 5_000

/** Messages of conversations that the client does not know yet: a message may overtake the event for its conversation. */
export class Orphans {
  #all: readonly { message: Message; at: number }[] = []

  add(message: Message): void {
    this.#all = [...this.#all.slice(1 - MAX_ORPHANS), { message, at: performance.now() }]
  }

  /** Returns the messages of a conversation, in order of arrival. */
  of(conversationId: string): Message[] {
    return this.#all.flatMap(({ message }) => (message.conversationId === conversationId ? [message] : []))
  }

  /** Removes and returns the messages of a conversation that is known now. */
  take(conversationId: string): Message[] {
    const taken = this.of(conversationId)
    if (taken.length > 0) this.#all = this.#all.filter(({ message }) => message.conversationId !== conversationId)
    return taken
  }

  /** Drops old messages after a sync: it did not list their conversations, so the user is not in them. */
  dropOld(now: number): void {
    this.#all = this.#all.filter(({ at }) => now - at < KEEP_MS)
  }

  /** Arrival of the oldest one, by `performance.now()`. */
  get since(): number | undefined {
    return this.#all[0]?.at
  }
}
