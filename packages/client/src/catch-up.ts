import type { Message, SyncAnswer } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { fullJitter, wait } from './backoff.ts'
import { ParleyClientError, toClientError } from './errors.ts'
import type { Http } from './http.ts'
import type { Inbox } from './inbox.ts'
import type { Room } from './room.ts'
import { chunksOf } from './sync-chunks.ts'

const PAGE = LIMITS.pageSize
/** Errors of a server that responds: another connection would fare no better. */
const SERVER_SIDE: ReadonlySet<string> = new Set(['RATE_LIMITED', 'INTERNAL', 'OVERLOADED', 'UNAVAILABLE'])
const RETRY = { baseMs: 500, maxMs: 5_000 }
const FRUITLESS_TRIES = 10
const FRUITLESS_PAUSE_MS = 500
/** Number of conversations whose missing messages are fetched concurrently. */
const LANES = 4
/** How long to wait for a missing message before fetching it: it may only be late. Milliseconds, times 0.5 to 1.5. */
const GAP_PATIENCE_MS = 200
/** How long to wait for any other missing change, which is less visible, before a sync. Milliseconds, times 1 to 2. */
const HOLE_PATIENCE_MS = 1_000

export interface CatchUpOptions {
  http: Http
  inbox: Inbox
  /** Sends the `sync` event; rejects without a connection. */
  call: (payload: {
    conversations: Record<string, number>
    after: string | null
    until: string | null
    epoch: string | null
  }) => Promise<SyncAnswer>
  connected: () => boolean
  /** If more messages than this are missing in a conversation, the client skips to the newest page. */
  limit: number
  onSkipped: (skipped: { conversationId: string; fromSeq: number; toSeq: number }) => void
  onError: (error: ParleyClientError) => void
}

/** The state of a conversation when the server was asked about it. */
interface Asked {
  room: Room
  newest: number
}

/** Fetches what the client has missed: after connecting, after a gap in seqs, after a hole in revs. */
export class CatchUp {
  readonly #options: CatchUpOptions
  #running: Promise<void> | undefined
  #again = false
  /** The history of the server's database that everything known belongs to; null if the server named none. */
  #epoch: string | null = null
  #hole: ReturnType<typeof setTimeout> | undefined
  /** Aborts the work in progress when the connection is lost. */
  #run = new AbortController()
  readonly #gaps = new Set<Room>()
  #gapTimer: ReturnType<typeof setTimeout> | undefined

  constructor(options: CatchUpOptions) {
    this.#options = options
  }

  /** The connection is lost: aborts the work in progress and forgets what was planned. */
  stop(): void {
    this.#run.abort()
    this.#run = new AbortController()
    clearTimeout(this.#hole)
    clearTimeout(this.#gapTimer)
    this.#hole = undefined
    this.#gapTimer = undefined
    this.#gaps.clear()
  }

  /** Syncs, one run at a time; a call during a run causes one more round. Resolves when nothing is missing. */
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

  /** A change is missing. It may still arrive; if the same one is missing for a while, a sync fetches it. */
  holeSeen(): void {
    const patience = HOLE_PATIENCE_MS * (1 + Math.random())
    this.#hole ??= setTimeout(() => {
      this.#hole = undefined
      const since = this.#options.inbox.holeSince
      if (since === undefined || !this.#options.connected()) return
      // In a busy conversation events overtake each other all the time: holes open and close again.
      if (performance.now() - since < HOLE_PATIENCE_MS) this.holeSeen()
      else this.#later(this.sync())
    }, patience)
  }

  /** Messages are missing in a sequence: fetches them by seq after a short wait. */
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

  /** Reports a failure and, while connected, schedules a sync: on an open connection nothing else would try again. */
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
        // Another sync was requested meanwhile, possibly by the next connection: run that instead.
        if (!this.#again && !(await this.#mayRetry(toClientError(error), attempt++))) throw error
        continue
      }
      if (!this.#again) return
    }
  }

  /** If the server responds but cannot serve, waits before a retry on the same connection. Returns whether to retry. */
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
    let epoch: string | undefined
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
          const answer = await call({ conversations, after, until, epoch: this.#epoch })
          epoch ??= answer.epoch
          // The answers before belong to a history that has ended since.
          if (answer.epoch !== epoch) this.#again = true
          for (const id of answer.left) this.#left(id, asked.get(id))
          for (const synced of answer.conversations) {
            const room = inbox.applySync(synced, conversations[synced.id], answer.epoch)
            if (room !== undefined) behind.add(room)
          }
          hasMore = answer.hasMore
          after = answer.after
        }
      }
      this.#epoch = epoch ?? this.#epoch
      inbox.finishSync()
      for (const room of inbox.rooms()) if (room.sequence.hasGap) behind.add(room)
      await this.#fillAll([...behind], signal)
    } finally {
      // The next sync asks again, from the same rev, for what was not fetched.
      for (const room of behind) room.catchingUpTo = undefined
    }
  }

  /**
   * The server says that the user is not in a conversation. If an event about it has come since the question was sent, the
   * user may just have been added again: the next round will tell.
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

  /** The user may have been removed from a conversation since the sync: another one will tell. */
  #refused(error: unknown): void {
    if (toClientError(error).code !== 'CONVERSATION_NOT_FOUND') throw error
    this.#again = true
    this.holeSeen()
  }

  /** Fetches the missing messages of one conversation, in order. */
  async #fill(room: Room, signal: AbortSignal): Promise<void> {
    const { inbox, limit } = this.#options
    const { sequence, timeline } = room
    if (sequence.known - sequence.delivered > limit) this.#skip(room)
    for (let tries = 0; sequence.hasGap; ) {
      const before = sequence.delivered
      const { data, meta } = await this.#page(room.id, before, signal)
      if (inbox.get(room.id) !== room) return
      for (const message of data) {
        // Seqs missing from a page belong to deleted messages.
        sequence.skipTo(message.seq - 1)
        inbox.accept(room, message)
      }
      sequence.skipTo(Math.min(before + PAGE, meta.total))
      if (sequence.delivered > before) continue
      // Announced messages cannot be fetched yet (from a lagging replica, say).
      if (++tries === FRUITLESS_TRIES)
        throw new ParleyClientError('BAD_ANSWER', 'The server does not return messages that it has announced.')
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

  /** Refetches the loaded messages: some may have changed in ways that a truncated sync does not tell. */
  async #refreshWindow(room: Room, signal: AbortSignal): Promise<void> {
    const { oldestSeq, newestSeq } = room.timeline
    if (oldestSeq === undefined || newestSeq === undefined) return
    for (let after = oldestSeq - 1; after < newestSeq; after += PAGE) {
      for (const message of (await this.#page(room.id, after, signal)).data) room.timeline.change(message)
    }
  }
}
