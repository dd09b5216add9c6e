import { type ParleyClientError, toClientError } from './errors.ts'
import type { Presence } from './presence.ts'

const RETRY_MS = 3_000
const SETTLED_MS = 5_000
/** Delay of a query after a change, times 1 to 2: all members learn of it at once, and jitter spreads their queries. */
const CHANGED_MS = 1_000

export interface PresenceLooksOptions {
  presence: Presence
  /** Fetches the ids of the online users; rejects without a connection. */
  ask: () => Promise<readonly string[]>
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/**
 * Decides when to ask the server who is online, in addition to the events it sends. A failed query is retried; it never costs
 * the connection.
 */
export class PresenceLooks {
  readonly #options: PresenceLooksOptions
  #planned: ReturnType<typeof setTimeout> | undefined
  #changed: ReturnType<typeof setTimeout> | undefined

  constructor(options: PresenceLooksOptions) {
    this.#options = options
  }

  /**
   * Queries now and once more a few seconds later. After Redis came back empty, each gateway rewrites its users within
   * seconds, and sends no events for those who had never gone offline.
   */
  async twice(): Promise<void> {
    await this.#look()
    this.#plan(SETTLED_MS * (1 + Math.random() / 2))
  }

  /**
   * Queries after a short delay. The server sends no event about users who were online before they came to share a
   * conversation with this one, nor about those who no longer do.
   */
  peopleChanged(): void {
    this.#changed ??= setTimeout(
      () => {
        this.#changed = undefined
        void this.#look()
      },
      CHANGED_MS * (1 + Math.random()),
    )
  }

  stop(): void {
    clearTimeout(this.#planned)
    clearTimeout(this.#changed)
    this.#changed = undefined
  }

  async #look(): Promise<void> {
    const { presence, ask, connected, onError } = this.#options
    if (!connected()) return
    try {
      await presence.refresh(ask)
    } catch (error) {
      onError(toClientError(error))
      this.#plan(RETRY_MS)
    }
  }

  #plan(delayMs: number): void {
    clearTimeout(this.#planned)
    if (this.#options.connected()) this.#planned = setTimeout(() => void this.#look(), delayMs)
  }
}
