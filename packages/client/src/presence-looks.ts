import { type ParleyClientError, toClientError } from './errors.ts'
import type { Presence } from './presence.ts'

const RETRY_MS = 3_000
const SETTLED_MS = 5_000
/** Others hear of the same change at the same time: their questions are spread over as long again. Milliseconds. */
const CHANGED_MS = 1_000

export interface PresenceLooksOptions {
  presence: Presence
  /** Who is online, as the server lists them; rejects without a connection. */
  ask: () => Promise<readonly string[]>
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/**
 * When the server is asked who is online: beside what it tells by itself. Presence is not what a connection is given up
 * for: where the server does not know it now, it is asked again.
 */
export class PresenceLooks {
  readonly #options: PresenceLooksOptions
  #planned: ReturnType<typeof setTimeout> | undefined
  #changed: ReturnType<typeof setTimeout> | undefined

  constructor(options: PresenceLooksOptions) {
    this.#options = options
  }

  /**
   * When Redis has come back empty, each gateway writes its people anew within some seconds, and nobody is told of those
   * who had never gone. Hence the second look.
   */
  async twice(): Promise<void> {
    await this.#look()
    this.#plan(SETTLED_MS * (1 + Math.random() / 2))
  }

  /**
   * Nobody is told of those who were online before one shared a conversation with them, nor of those with whom one no longer
   * does.
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
