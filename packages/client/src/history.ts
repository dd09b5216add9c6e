import type { Message } from '@parley/protocol'
import { ParleyClientError } from './errors.ts'
import type { Http } from './http.ts'
import type { Inbox } from './inbox.ts'
import type { Room } from './room.ts'

const PAGE = 50

interface Page {
  data: Message[]
  meta: { hasMore: boolean; total: number }
}

/** Pages of messages for the timelines. The same page is asked for once at a time. */
export class HistoryPages {
  readonly #http: Http
  readonly #inbox: Inbox
  /** By room: one that was left and joined again begins anew. */
  readonly #loading = new WeakMap<Room, Map<string, Promise<void>>>()
  /** The place that was asked for last: a page of another one that comes later is not shown. */
  readonly #place = new WeakMap<Room, string>()

  constructor(http: Http, inbox: Inbox) {
    this.#http = http
    this.#inbox = inbox
  }

  /** The newest page, where nothing is loaded yet or one has gone back far. */
  async newest(conversationId: string): Promise<void> {
    const room = this.#room(conversationId)
    this.#place.set(room, 'newest')
    return this.#newest(room)
  }

  #newest(room: Room): Promise<void> {
    return this.#once(room, 'newest', async () => {
      const { status } = room.timeline
      if (status === 'ready' && !room.timeline.snapshot().hasNewer) return
      room.timeline.startLoading()
      try {
        const { data, meta } = await this.#page(room, {})
        room.timeline.reset(data, meta.hasMore)
      } catch (error) {
        room.timeline.stopLoading()
        throw error
      }
    })
  }

  /**
   * A page around a message, unless it is held already, or another place is asked for before it comes. Where one is far
   * back, `hasNewer` says that there is more after it.
   */
  async around(conversationId: string, seq: number): Promise<void> {
    const place = `around ${seq}`
    this.#place.set(this.#room(conversationId), place)
    await this.ensure(conversationId)
    const room = this.#room(conversationId)
    if (room.timeline.bySeq(seq) !== undefined) return
    return this.#once(room, place, async () => {
      const { data, meta } = await this.#page(room, { beforeSeq: seq + PAGE / 2 })
      const end = data.at(-1)?.seq
      if (end === undefined || this.#place.get(room) !== place) return
      room.timeline.show(data, meta.hasMore, end < room.sequence.delivered)
    })
  }

  /** Fetches a message anew: the addresses of its attachments expire. */
  async refresh(conversationId: string, seq: number): Promise<void> {
    const room = this.#room(conversationId)
    const { data } = await this.#page(room, { beforeSeq: seq + 1, limit: 1 })
    for (const message of data) room.timeline.change(message)
  }

  /** The page before the oldest message held; nothing where there is none. */
  async older(conversationId: string): Promise<void> {
    await this.ensure(conversationId)
    const room = this.#room(conversationId)
    return this.#once(room, 'older', async () => {
      const { oldestSeq } = room.timeline
      if (oldestSeq === undefined || !room.timeline.snapshot().hasOlder) return
      const { data, meta } = await this.#page(room, { beforeSeq: oldestSeq })
      if (room.timeline.oldestSeq === oldestSeq) room.timeline.prepend(data, meta.hasMore)
    })
  }

  /** The page after the newest message held, where one has gone back so far that there is one. */
  async newer(conversationId: string): Promise<void> {
    const room = this.#room(conversationId)
    return this.#once(room, 'newer', async () => {
      const { newestSeq } = room.timeline
      if (newestSeq === undefined || !room.timeline.snapshot().hasNewer) return
      const { data, meta } = await this.#page(room, { afterSeq: newestSeq })
      // What was delivered while the page was under way may be past its end: then there is more to load.
      const end = data.at(-1)?.seq ?? newestSeq
      const { newestSeq: now } = room.timeline
      if (now === newestSeq) room.timeline.append(data, meta.hasMore || end < room.sequence.delivered)
    })
  }

  /** The newest page where nothing is loaded. */
  async ensure(conversationId: string): Promise<void> {
    const room = this.#room(conversationId)
    if (room.timeline.status !== 'ready') await this.#newest(room)
  }

  #room(conversationId: string): Room {
    const room = this.#inbox.get(conversationId)
    if (room === undefined) throw new ParleyClientError('CONVERSATION_NOT_FOUND', 'There is no such conversation.')
    return room
  }

  #page(room: Room, query: Record<string, number>): Promise<Page> {
    const path = `/api/messages/conversations/${room.id}/messages`
    return this.#http.get<Page['data'], Page['meta']>(path, { query: { limit: PAGE, ...query } })
  }

  #once(room: Room, page: string, work: () => Promise<void>): Promise<void> {
    const loading = this.#loading.get(room) ?? new Map<string, Promise<void>>()
    this.#loading.set(room, loading)
    const known = loading.get(page)
    if (known !== undefined) return known
    const started = work().finally(() => loading.delete(page))
    loading.set(page, started)
    return started
  }
}
