import { type ParleyClientError, toClientError } from './errors.ts'

/** Marks that come within this are one: a list that is scrolled marks message after message. Milliseconds. */
const COALESCE_MS = 100
const RETRY_MS = 2_000

interface Mark {
  messageId: string
  seq: number
}

export interface ReadMarksOptions {
  tell: (conversationId: string, messageId: string) => Promise<unknown>
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/** One's own read marks on their way to the server: the newest of each conversation, again after a reconnect. */
export class ReadMarks {
  readonly #options: ReadMarksOptions
  readonly #wanted = new Map<string, Mark>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: ReadMarksOptions) {
    this.#options = options
  }

  mark(conversationId: string, mark: Mark): void {
    this.#wanted.set(conversationId, mark)
    this.#plan(COALESCE_MS)
  }

  /** There is a connection. */
  flush(): void {
    if (this.#wanted.size > 0) this.#plan(0)
  }

  forget(conversationId: string): void {
    this.#wanted.delete(conversationId)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #plan(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#options.connected()) for (const [id, mark] of this.#wanted) this.#send(id, mark)
    }, ms)
  }

  #send(conversationId: string, mark: Mark): void {
    const done = () => {
      if (this.#wanted.get(conversationId) === mark) this.#wanted.delete(conversationId)
    }
    this.#options.tell(conversationId, mark.messageId).then(done, (error) => {
      const known = toClientError(error)
      if (known.retryable) return this.#plan(RETRY_MS)
      done()
      this.#options.onError(known)
    })
  }
}
