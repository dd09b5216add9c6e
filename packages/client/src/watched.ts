import { type ParleyClientError, toClientError } from './errors.ts'
import type { HistoryPages } from './history.ts'
import type { Inbox } from './inbox.ts'

const RETRY_MS = 3_000

export interface WatchedTimelinesOptions {
  inbox: Inbox
  pages: HistoryPages
  /** Timelines kept though nobody looks at them. */
  keep: number
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/** Timelines that somebody looks at have their first page; of the others only so many are kept. */
export class WatchedTimelines {
  readonly #options: WatchedTimelinesOptions
  #retry: ReturnType<typeof setTimeout> | undefined

  constructor(options: WatchedTimelinesOptions) {
    this.#options = options
  }

  /** Loads the first page as soon as the conversation is known, and until it is there. */
  load(conversationId: string): void {
    const { inbox, pages, connected, onError } = this.#options
    this.trim()
    if (inbox.get(conversationId) === undefined) return
    pages.ensure(conversationId).catch((error) => {
      const known = toClientError(error)
      onError(known)
      // The next connection loads it anyway.
      if (connected() && (known.retryable || known.isTokenProblem)) this.#plan()
    })
  }

  loadAll(): void {
    for (const id of this.#options.inbox.timelines.ids(true)) this.load(id)
  }

  /** Lets go of the messages of conversations that nobody has asked for in a while. */
  trim(): void {
    const { inbox, keep } = this.#options
    const idle = inbox.timelines.ids(false).flatMap((id) => {
      const timeline = inbox.get(id)?.timeline
      return timeline?.status === 'ready' ? [timeline] : []
    })
    for (const timeline of idle.slice(0, Math.max(0, idle.length - keep))) timeline.clear()
  }

  stop(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
  }

  #plan(): void {
    this.#retry ??= setTimeout(
      () => {
        this.#retry = undefined
        this.loadAll()
      },
      RETRY_MS * (1 + Math.random()),
    )
  }
}
