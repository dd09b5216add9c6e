import type { Message, SyncAnswer } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { fullJitter, wait } from './backoff.ts'
import { ParleyClientError, toClientError } from './errors.ts'
import type { Http } from './http.ts'
import type { Inbox } from './inbox.ts'
import type { Room } from './room.ts'
import { chunksOf } from './sync-chunks.ts'

const PAGE = LIMITS.pageSize
/** Errors of a server that answers: another connection would fare no better. */
const SERVER_SIDE: ReadonlySet<string> = new Set(['RATE_LIMITED', 'INTERNAL', 'OVERLOADED', 'UNAVAILABLE'])
const RETRY = { baseMs: 500, maxMs: 5_000 }
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

/** How a conversation stood when the server was asked about it. */
interface Asked {
  room: Room
  newest: number
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

  /** A change is missing. It may be under way; if the same is missing for a while, a sync will bring it. */
  holeSeen(): void {
    const patience = HOLE_PATIENCE_MS * (1 + Math.random())
    this.#hole ??= setTimeout(() => {
      this.#hole = undefined
      const since = this.#options.inbox.holeSince
      if (since === undefined || !this.#options.connected()) return
      // In a busy conversation events cross all the time: holes come and close again.
      if (performance.now() - since < HOLE_PATIENCE_MS) this.holeSeen()
      else this.#later(this.sync())
    }, patience)
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
    for (let attempt = 0; ; ) {
      this.#again = false
      try {
        await this.#round(this.#run.signal)
      } catch (error) {
        // Asked for again meanwhile, by the next connection perhaps: that one counts.
        if (!this.#again && !(await this.#mayRetry(toClientError(error), attempt++))) throw error
        continue
      }
      if (!this.#again) return
    }
  }

  /** The server is there, but something behind it is not: waits, on the open connection, for another try. */
  async #mayRetry(error: ParleyClientError, attempt: number): Promise<boolean> {
    const { signal } = this.#run
    if (!error.retryable || !SERVER_SIDE.has(error.code) || signal.aborted) return false
    this.#options.onError(error)
    await wait(Math.max(error.retryAfterMs ?? 0, fullJitter(attempt, RETRY)), signal)
    return !signal.aborted
  }

  async #round(signal: AbortSignal): Promise<void> {
    const { inbox, call } = this.#options
    const behind = new Set<Room>()
    inbox.beginSync()
    try {
      for (const { ids, first, until } of chunksOf(inbox)) {
        let after = first
        for (let hasMore = true; hasMore; ) {
          const conversations: Record<string, number> = {}
          const asked = new Map<string, Asked>()
          for (const id of ids) {
            const room = inbox.get(id)
            if (room === undefined || (after !== null && id <= after)) continue
            conversations[id] = room.revisions.upTo
            asked.set(id, { room, newest: room.revisions.newest })
          }
          const answer = await call({ conversations, after, until })
          for (const id of answer.left) this.#left(id, asked.get(id))
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

  /**
   * The server says that one is not in a conversation. Where something has been heard of it since it was asked about, one
   * may just have been put into it again: the next round will tell.
   */
  #left(id: string, asked: Asked | undefined): void {
    const { inbox } = this.#options
    const room = inbox.get(id)
    if (room === undefined) return
    const { newest } = room.revisions
    if (room === asked?.room && newest === asked.newest) inbox.leave(id, newest)
    else this.#again = true
  }

  async #fillAll(rooms: Room[], signal: AbortSignal): Promise<void> {
    const waiting = [...rooms]
    const lane = async () => {
      for (let room = waiting.pop(); room !== undefined; room = waiting.pop()) {
        await this.#fill(room, signal).catch((error) => this.#refused(error))
      }
    }
    await Promise.all(Array.from({ length: Math.min(LANES, rooms.length) }, lane))
  }

  /** One may have been taken out of a conversation since it was asked about: what it is now, a sync tells. */
  #refused(error: unknown): void {
    if (toClientError(error).code !== 'CONVERSATION_NOT_FOUND') throw error
    this.#again = true
    this.holeSeen()
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
