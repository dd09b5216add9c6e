import { type ParleyClientError, toClientError } from './errors.ts'
import type { HistoryPages } from './history.ts'
import type { Inbox } from './inbox.ts'

const RETRY_MS = 3_000

export interface WatchedTimelinesOptions {
  inbox: Inbox
  pages: HistoryPages
  /** Number of timelines kept without a subscriber. */
  keep: number
  connected: () => boolean
  onError: (error: ParleyClientError) => void
}

/** Loads the first page of each timeline with a subscriber, and keeps only a bounded number of the others. */
export class WatchedTimelines {
  readonly #options: WatchedTimelinesOptions
  #retry: ReturnType<typeof setTimeout> | undefined

  constructor(options: WatchedTimelinesOptions) {
    this.#options = options
  }

  /** Loads a conversation's first page, if the conversation is known; retries until it succeeds. */
  load(conversationId: string): void {
    const { inbox, pages, connected, onError } = this.#options
    this.trim()
    if (inbox.get(conversationId) === undefined) return
    pages.ensure(conversationId).catch((error) => {
      const known = toClientError(error)
      onError(known)
      // If disconnected, the next connection loads it anyway.
      if (connected() && (known.retryable || known.isTokenProblem)) this.#plan()
    })
  }

  loadAll(): void {
    for (const id of this.#options.inbox.timelines.ids(true)) this.load(id)
  }

  /** Drops the messages of the least recently used timelines without a subscriber. */
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
