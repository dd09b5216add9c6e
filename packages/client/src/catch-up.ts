import type { Message, SyncAnswer } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { wait } from './backoff.ts'
import { ParleyClientError, toClientError } from './errors.ts'
import type { Http } from './http.ts'
import type { Inbox } from './inbox.ts'
import type { Room } from './room.ts'

const PAGE = 100
const FRUITLESS_TRIES = 10
const FRUITLESS_PAUSE_MS = 500
/** Conversations whose missing messages are fetched at the same time. */
const LANES = 4
/** A message that is missing is waited for this long before it is fetched: it may only be late. Milliseconds. */
const GAP_PATIENCE_MS = 200
/** A change that is missing is not shown to be so by anything; there is time. Milliseconds, doubled by chance. */
const HOLE_PATIENCE_MS = 1_000

export interface CatchUpOptions {
  http: Http
  inbox: Inbox
  /** The `sync` event; rejects without a connection. */
  call: (payload: {
    conversations: Record<string, number>
    after: string | null
    until: string | null
  }) => Promise<SyncAnswer>
  connected: () => boolean
  /** More messages than this are not fetched one by one: the client goes on at the newest. */
  limit: number
  onSkipped: (skipped: { conversationId: string; fromSeq: number; toSeq: number }) => void
  onError: (error: ParleyClientError) => void
}

/** Makes the client whole again: after a connection, after a gap, after a hole. */
export class CatchUp {
  readonly #options: CatchUpOptions
  #running: Promise<void> | undefined
  #again = false
  #hole: ReturnType<typeof setTimeout> | undefined
  /** Ends what is under way when the connection has gone. */
  #run = new AbortController()
  readonly #gaps = new Set<Room>()
  #gapTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  /** The connection has gone: the next one begins anew. */
  stop(): void {
    this.#run.abort()
    this.#run = new AbortController()
    clearTimeout(this.#hole)
    clearTimeout(this.#gapTimer)
    this.#hole = undefined
    this.#gapTimer = undefined
    this.#gaps.clear()
  }

  /** Syncs; one at a time, and once more where it was asked for meanwhile. Resolves when nothing is missing. */
  sync(): Promise<void> {
    if (this.#running !== undefined) {
      this.#again = true
      return this.#running
    }
    this.#running = this.#rounds().finally(() => {
      this.#running = undefined
    })
    return this.#running
  }

  /** A change is missing. It may be under way; if it is not here in a while, a sync will bring it. */
  holeSeen(): void {
    this.#hole ??= setTimeout(
      () => {
        this.#hole = undefined
        if (this.#options.connected()) this.#later(this.sync())
      },
      HOLE_PATIENCE_MS * (1 + Math.random()),
    )
  }

  /** Messages are missing between others: they are fetched by their seq. */
  gapSeen(room: Room): void {
    this.#gaps.add(room)
    this.#gapTimer ??= setTimeout(
      () => {
        this.#gapTimer = undefined
        const rooms = [...this.#gaps].filter(
          ({ sequence, catchingUpTo }) => sequence.hasGap && catchingUpTo === undefined,
        )
        this.#gaps.clear()
        this.#later(this.#fillAll(rooms, this.#run.signal))
      },
      GAP_PATIENCE_MS * (0.5 + Math.random()),
    )
  }

  /** On an open connection nothing else would start it again. */
  #later(work: Promise<void>): void {
    work.catch((error) => {
      this.#options.onError(toClientError(error))
      if (this.#options.connected()) this.holeSeen()
    })
  }

  async #rounds(): Promise<void> {
    do {
      this.#again = false
      try {
        await this.#round(this.#run.signal)
      } catch (error) {
        // Asked for again meanwhile, by the next connection perhaps: that one counts.
        if (!this.#again) throw error
      }
    } while (this.#again)
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { inbox, call } = this.#options
    const behind = new Set<Room>()
    try {
      for (const { ids, first, until } of chunksOf(inbox)) {
        let after = first
        for (let hasMore = true; hasMore; ) {
          const conversations: Record<string, number> = {}
          for (const id of ids) {
            const room = inbox.get(id)
            if (room !== undefined && (after === null || id > after)) conversations[id] = room.revisions.upTo
          }
          const answer = await call({ conversations, after, until })
          for (const id of answer.left) inbox.leave(id)
          for (const synced of answer.conversations) {
            const room = inbox.applySync(synced, conversations[synced.id])
            if (room !== undefined) behind.add(room)
          }
          hasMore = answer.hasMore
          after = answer.after
        }
      }
      inbox.finishSync()
      for (const room of inbox.rooms()) if (room.sequence.hasGap) behind.add(room)
      await this.#fillAll([...behind], signal)
    } finally {
      // What was not fetched is asked for again from the same rev.
      for (const room of behind) room.catchingUpTo = undefined
    }
  }

  async #fillAll(rooms: Room[], signal: AbortSignal): Promise<void> {
    const waiting = [...rooms]
    const lane = async () => {
      for (let room = waiting.pop(); room !== undefined; room = waiting.pop()) await this.#fill(room, signal)
    }
    await Promise.all(Array.from({ length: Math.min(LANES, rooms.length) }, lane))
  }

  /** Fetches what is missing in one conversation, in order. */
  async #fill(room: Room, signal: AbortSignal): Promise<void> {
    const { inbox, limit } = this.#options
    const { sequence, timeline } = room
    if (sequence.known - sequence.delivered > limit) this.#skip(room)
    for (let tries = 0; sequence.hasGap; ) {
      const before = sequence.delivered
      const { data, meta } = await this.#page(room.id, before, signal)
      if (inbox.get(room.id) !== room) return
      for (const message of data) {
        // Seqs that a page leaves out are of messages that are no more.
        sequence.skipTo(message.seq - 1)
        inbox.accept(room, message)
      }
      sequence.skipTo(Math.min(before + PAGE, meta.total))
      if (sequence.delivered > before) continue
      // What was announced is not to be had (a copy of the database that lags behind, say).
      if (++tries === FRUITLESS_TRIES) throw new ParleyClientError('BAD_ANSWER', 'Messages are missing at the server.')
      await wait(FRUITLESS_PAUSE_MS, signal)
    }
    if (room.catchingUpTo !== undefined && timeline.status === 'ready' && !timeline.snapshot().hasNewer) {
      await this.#refreshWindow(room, signal)
    }
    inbox.caughtUp(room)
  }

  #skip(room: Room): void {
    const { delivered, known } = room.sequence
    const toSeq = known - PAGE
    room.sequence.skipTo(toSeq)
    room.timeline.clear()
    this.#options.onSkipped({ conversationId: room.id, fromSeq: delivered + 1, toSeq })
  }

  #page(
    conversationId: string,
    afterSeq: number,
    signal: AbortSignal,
  ): Promise<{ data: Message[]; meta: { total: number } }> {
    const path = `/api/messages/conversations/${conversationId}/messages`
    const query = { afterSeq, limit: PAGE }
    return this.#options.http.get<Message[], { total: number }>(path, { query, signal })
  }

  /** Messages on show may have been changed by more than a sync tells. */
  async #refreshWindow(room: Room, signal: AbortSignal): Promise<void> {
    const { oldestSeq, newestSeq } = room.timeline
    if (oldestSeq === undefined || newestSeq === undefined) return
    for (let after = oldestSeq - 1; after < newestSeq; after += PAGE) {
      for (const message of (await this.#page(room.id, after, signal)).data) room.timeline.change(message)
    }
  }
}

/** Conversations in the order of their ids, as many as one call may name, and the bounds of each call. */
function* chunksOf(inbox: Inbox): Generator<{ ids: string[]; first: string | null; until: string | null }> {
  const ids = Array.from(inbox.rooms(), ({ id }) => id).sort()
  let first: string | null = null
  for (let from = 0; ; from += LIMITS.syncConversations) {
    const chunk = ids.slice(from, from + LIMITS.syncConversations)
    const isLast = from + chunk.length >= ids.length
    const until: string | null = isLast ? null : (chunk.at(-1) ?? null)
    yield { ids: chunk, first, until }
    if (isLast) return
    first = until
  }
}
