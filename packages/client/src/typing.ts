import { LIMITS } from '@parley/protocol/limits'
import { type Store, Stores } from './store.ts'

/** Somebody who is typing. */
export interface TypingPerson {
  readonly userId: string
  readonly userName: string
}

/** The user's own `typing` is repeated after this long, in milliseconds: before the server's expires. */
const REPEAT_MS = 3_000
/** Others' typing expires by this client's own timer, in case the event is lost: a second after the server's. */
const EXPIRES_MS = LIMITS.typingMs + 1_000
const NOBODY: readonly TypingPerson[] = []

/** Tracks who is typing where, and sends the user's own typing. */
export class Typing {
  readonly #tell: (event: 'typing' | 'stopTyping', conversationId: string) => void
  readonly #people = new Map<string, Map<string, { person: TypingPerson; timer: ReturnType<typeof setTimeout> }>>()
  readonly #stores = new Stores((id): readonly TypingPerson[] => {
    const people = this.#people.get(id)
    return people === undefined ? NOBODY : Array.from(people.values(), ({ person }) => person)
  })
  readonly #sentAt = new Map<string, number>()

  constructor(tell: (event: 'typing' | 'stopTyping', conversationId: string) => void) {
    this.#tell = tell
  }

  /** The other users who are typing in a conversation. */
  in(conversationId: string): Store<readonly TypingPerson[]> {
    return this.#stores.of(conversationId)
  }

  /** Called on every keystroke; sends `typing` at most once per REPEAT_MS. */
  start(conversationId: string, now = performance.now()): void {
    if (now - (this.#sentAt.get(conversationId) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    this.#sentAt.set(conversationId, now)
    this.#tell('typing', conversationId)
  }

  stop(conversationId: string): void {
    if (this.#sentAt.delete(conversationId)) this.#tell('stopTyping', conversationId)
  }

  /** A message was sent: that ends its sender's typing, on the server as well. */
  sent(conversationId: string): void {
    this.#sentAt.delete(conversationId)
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

  /** The connection is lost: forgets who is typing. */
  clear(): void {
    this.#sentAt.clear()
    for (const [conversationId, people] of this.#people) {
      for (const userId of people.keys()) this.onStopped(conversationId, userId)
    }
  }
}
