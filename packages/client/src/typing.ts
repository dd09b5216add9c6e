import { LIMITS } from '@parley/protocol/limits'
import { type Store, Stores } from './store.ts'

/** Somebody who is typing. */
export interface TypingPerson {
  readonly userId: string
  readonly userName: string
}

/** One's own `typing` is told again after this long, in milliseconds: within what the server forgets it after. */
const REPEAT_MS = 3_000
/** Others' typing ends by this client's own clock, should the word of its end be lost: a second after the server's. */
const EXPIRES_MS = LIMITS.typingMs + 1_000
const NOBODY: readonly TypingPerson[] = []

/** Who is typing where, and what is told of oneself. */
export class Typing {
  readonly #tell: (event: 'typing' | 'stopTyping', conversationId: string) => void
  readonly #people = new Map<string, Map<string, { person: TypingPerson; timer: ReturnType<typeof setTimeout> }>>()
  readonly #stores = new Stores((id): readonly TypingPerson[] => {
    const people = this.#people.get(id)
    return people === undefined ? NOBODY : Array.from(people.values(), ({ person }) => person)
  })
  readonly #toldAt = new Map<string, number>()

  constructor(tell: (event: 'typing' | 'stopTyping', conversationId: string) => void) {
    this.#tell = tell
  }

  /** The others who are typing in a conversation. */
  in(conversationId: string): Store<readonly TypingPerson[]> {
    return this.#stores.of(conversationId)
  }

  /** To be called with every key stroke; the server is told now and then. */
  start(conversationId: string, now = performance.now()): void {
    if (now - (this.#toldAt.get(conversationId) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    this.#toldAt.set(conversationId, now)
    this.#tell('typing', conversationId)
  }

  stop(conversationId: string): void {
    if (this.#toldAt.delete(conversationId)) this.#tell('stopTyping', conversationId)
  }

  /** A message ends its writer's typing; the server has ended it, too. */
  sent(conversationId: string): void {
    this.#toldAt.delete(conversationId)
  }

  onTyping(conversationId: string, person: TypingPerson): void {
    const people = this.#people.get(conversationId) ?? new Map()
    this.#people.set(conversationId, people)
    clearTimeout(people.get(person.userId)?.timer)
    const timer = setTimeout(() => this.onStopped(conversationId, person.userId), EXPIRES_MS)
    people.set(person.userId, { person, timer })
    this.#stores.invalidate(conversationId)
  }

  onStopped(conversationId: string, userId: string): void {
    const people = this.#people.get(conversationId)
    const typing = people?.get(userId)
    if (people === undefined || typing === undefined) return
    clearTimeout(typing.timer)
    people.delete(userId)
    if (people.size === 0) this.#people.delete(conversationId)
    this.#stores.invalidate(conversationId)
  }

  /** The connection is gone: nobody is known to be typing. */
  clear(): void {
    this.#toldAt.clear()
    for (const [conversationId, people] of this.#people) {
      for (const userId of people.keys()) this.onStopped(conversationId, userId)
    }
  }
}
