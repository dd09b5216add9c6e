import { type ParleyClientError, toClientError } from './errors.ts'

/** Marks within this time are sent as one: scrolling a list marks message after message. Milliseconds. */
const COALESCE_MS = 100
const RETRY_MS = 2_000

interface Mark {
  messageId: string
  seq: number
}

export interface ReadMarksOptions {
  send: (conversationId: string, messageId: string) => Promise<unknown>
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/** Sends the user's own read marks to the server: the newest of each conversation, again after a reconnect. */
export class ReadMarks {
  readonly #options: ReadMarksOptions
  readonly #pending = new Map<string, Mark>()
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(options: ReadMarksOptions) {
    this.#options = options
  }

  mark(conversationId: string, mark: Mark): void {
    this.#pending.set(conversationId, mark)
    this.#plan(COALESCE_MS)
  }

  /** There is a connection: sends what is pending. */
  flush(): void {
    if (this.#pending.size > 0) this.#plan(0)
  }

  forget(conversationId: string): void {
    this.#pending.delete(conversationId)
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }

  #plan(ms: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined
      if (this.#options.connected()) for (const [id, mark] of this.#pending) this.#send(id, mark)
    }, ms)
  }

  #send(conversationId: string, mark: Mark): void {
    const done = () => {
      if (this.#pending.get(conversationId) === mark) this.#pending.delete(conversationId)
    }
    this.#options.send(conversationId, mark.messageId).then(done, (error) => {
      const known = toClientError(error)
      if (known.retryable) return this.#plan(RETRY_MS)
      done()
      this.#options.onError(known)
    })
  }
}
