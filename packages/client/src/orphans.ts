import type { Message } from '@parley/protocol'

/** More are let go: a sync tells of their conversation, and of what is missing in it. */
const MOST = 500
/** They are kept for this long, in milliseconds. */
const KEPT_MS = 5_000

/** Messages of conversations that the client has not been told of yet: events of both may cross. */
export class Orphans {
  #all: readonly { message: Message; at: number }[] = []

  add(message: Message): void {
    this.#all = [...this.#all.slice(1 - MOST), { message, at: performance.now() }]
  }

  /** Those of a conversation, as they came. */
  of(conversationId: string): Message[] {
    return this.#all.flatMap(({ message }) => (message.conversationId === conversationId ? [message] : []))
  }

  /** Those of a conversation that is known now; they are kept no longer. */
  take(conversationId: string): Message[] {
    const taken = this.of(conversationId)
    if (taken.length > 0) this.#all = this.#all.filter(({ message }) => message.conversationId !== conversationId)
    return taken
  }

  /** Lets go of what has waited for long, of conversations that a sync did not tell of: the person is not in them. */
  dropOld(now: number): void {
    this.#all = this.#all.filter(({ at }) => now - at < KEPT_MS)
  }

  /** When the one came that has waited for longest, by `performance.now()`. */
  get since(): number | undefined {
    return this.#all[0]?.at
  }
}
