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

/** Loads pages of messages into the timelines. Concurrent requests for the same page are shared. */
export class HistoryPages {
  readonly #http: Http
  readonly #inbox: Inbox
  /** By room object: a conversation that was left and rejoined starts over. */
  readonly #loading = new WeakMap<Room, Map<string, Promise<void>>>()
  /** The place requested last: a page of an earlier one that arrives late is not shown. */
  readonly #place = new WeakMap<Room, string>()

  constructor(http: Http, inbox: Inbox) {
    this.#http = http
    this.#inbox = inbox
  }

  /** Loads the newest page, unless the timeline is at the end of the conversation already. */
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
   * Loads the page around a message, unless the message is loaded already or another place is requested in the meantime.
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

  /** Refetches a message: the URLs of its attachments expire. */
  async refresh(conversationId: string, seq: number): Promise<void> {
    const room = this.#room(conversationId)
    const { data } = await this.#page(room, { beforeSeq: seq + 1, limit: 1 })
    for (const message of data) room.timeline.change(message)
  }

  /** Loads the page before the oldest loaded message, if there is one. */
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

  /** Loads the page after the newest loaded message, if there is one. */
  async newer(conversationId: string): Promise<void> {
    const room = this.#room(conversationId)
    return this.#once(room, 'newer', async () => {
      const { newestSeq } = room.timeline
      if (newestSeq === undefined || !room.timeline.snapshot().hasNewer) return
      const { data, meta } = await this.#page(room, { afterSeq: newestSeq })
      // Messages delivered while the page was loading may lie past its end: then there is more to load.
      const end = data.at(-1)?.seq ?? newestSeq
      const { newestSeq: now } = room.timeline
      if (now === newestSeq) room.timeline.append(data, meta.hasMore || end < room.sequence.delivered)
    })
  }

  /** Loads the newest page if nothing is loaded. */
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
