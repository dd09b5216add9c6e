import {
  type Database,
  listMessages,
  listReadMarks,
  primaryReads,
  type ReadMarkRow,
  type Reads,
  seqBefore,
} from '@parley/db'
import type { HistoryMeta, ListMessages, Message } from '@parley/protocol'
import { BatchLoader } from './batch-loader.ts'
import type { ConversationReader } from './conversation-reader.ts'
import type { AttachmentLinks } from './ports.ts'
import { presentMessage } from './present.ts'

/** Pages whose read marks are fetched by one statement. A large group has a thousand marks. */
const BATCH = 16

/** Reads a conversation's messages. seq has no gaps, so every page is a range of the primary key, at any depth. */
export class History {
  readonly #db: Database
  readonly #conversations: ConversationReader
  readonly #links: AttachmentLinks
  readonly #reads: Reads
  readonly #marks: BatchLoader<{ conversationId: string; fromSeq: number }, ReadMarkRow[]>

  /** @param reads where to read messages (a replica, say); permissions and read marks are always read from `db` */
  constructor(
    db: Database,
    conversations: ConversationReader,
    links: AttachmentLinks,
    reads: Reads = primaryReads(db),
  ) {
    this.#db = db
    this.#reads = reads
    this.#links = links
    this.#conversations = conversations
    this.#marks = new BatchLoader(async (ranges) => {
      const marks = Map.groupBy(await listReadMarks(db.pool, ranges), (mark) => mark.conversation_id)
      return new Map(ranges.map((range) => [range, marks.get(range.conversationId) ?? []]))
    }, BATCH)
  }

  /**
   * Returns a page in ascending order. Page 1 has the newest `limit` messages, or those next to the given bound.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND
   */
  async page(
    conversationId: string,
    userId: string,
    query: ListMessages,
  ): Promise<{ data: Message[]; meta: HistoryMeta }> {
    const { last_seq: total } = await this.#conversations.require(conversationId, userId)
    const { page, limit } = query
    const range = await this.#range(conversationId, query, total)
    const data = range.from > range.to ? [] : await this.range(conversationId, range.from, range.to)
    const hasMore = query.afterSeq === undefined ? range.from > 1 && range.to > 0 : range.to < total
    return { data, meta: { page, limit, total, hasMore } }
  }

  /** Returns the messages with `from <= seq <= to`, in order. The caller has checked that they exist and may be seen. */
  async range(conversationId: string, from: number, to: number): Promise<Message[]> {
    const [rows, marks] = await Promise.all([
      this.#reads.query(
        (db) => listMessages(db, conversationId, from, to),
        // A replica that has the newest message has all before it: seq has no gaps and ascends in commit order.
        (found) => found.at(-1)?.seq === to,
      ),
      this.#marks.load({ conversationId, fromSeq: from }),
    ])
    return rows.map((row) => presentMessage(row, marks ?? [], this.#links))
  }

  async #range(conversationId: string, query: ListMessages, lastSeq: number): Promise<{ from: number; to: number }> {
    const { page, limit, before, beforeSeq, afterSeq } = query
    const skipped = (page - 1) * limit
    if (afterSeq !== undefined) {
      const from = afterSeq + 1 + skipped
      return { from, to: Math.min(lastSeq, from + limit - 1) }
    }
    const bound = before === undefined ? undefined : await seqBefore(this.#db.pool, conversationId, before, lastSeq)
    const newest = bound ?? Math.min(lastSeq, (beforeSeq ?? Number.MAX_SAFE_INTEGER) - 1)
    const to = newest - skipped
    return { from: Math.max(1, to - limit + 1), to }
  }
}
