import {
  type ConversationRow,
  type Database,
  findConversations,
  findMessages,
  listConversations,
  listParticipants,
  listReadMarks,
  listUnread,
} from '@parley/db'
import {
  type Conversation,
  LIMITS,
  type ListConversations,
  type Message,
  type PageMeta,
  ParleyError,
  pageMeta,
} from '@parley/protocol'
import { BatchLoader } from './batch-loader.ts'
import { foldText } from './fold.ts'
import type { AttachmentLinks, Presence } from './ports.ts'
import { presentConversation, presentMessage, presentParticipant } from './present.ts'

/** Maximum number of memberships looked up by one statement. */
const BATCH = 500
/** Maximum number of lists that share their statements: a list of 20 returns some 200 rows. */
const LISTS = 8

/** Conversations to present to one of their members. */
interface Shown {
  rows: readonly ConversationRow[]
  askerId: string
  /** Participants of each. */
  limit: number
}

/** Reads conversations for their members. Concurrent requests share statements. */
export class ConversationReader {
  readonly #db: Database
  readonly #presence: Presence
  readonly #links: AttachmentLinks
  readonly #members: BatchLoader<{ conversationId: string; userId: string }, ConversationRow | undefined>
  readonly #lists: BatchLoader<Shown, Conversation[]>

  constructor(db: Database, presence: Presence, links: AttachmentLinks) {
    this.#db = db
    this.#presence = presence
    this.#links = links
    this.#members = new BatchLoader(async (wanted) => {
      const rows = await findConversations(db.pool, wanted)
      return new Map(wanted.map((each, index) => [each, rows[index]]))
    }, BATCH)
    this.#lists = new BatchLoader((lists) => this.#present(lists), LISTS)
  }

  /** Returns the row as of a member. @throws {ParleyError} CONVERSATION_NOT_FOUND if they are not one */
  async require(conversationId: string, userId: string): Promise<ConversationRow> {
    const row = await this.#members.load({ conversationId, userId })
    if (row === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    return row
  }

  /** Returns those of `userIds` who are not members. */
  async outsiders(conversationId: string, userIds: readonly string[]): Promise<string[]> {
    const rows = await Promise.all(userIds.map((userId) => this.#members.load({ conversationId, userId })))
    return userIds.filter((_, index) => rows[index] === undefined)
  }

  /** Returns one conversation with up to `limit` participants. @throws {ParleyError} CONVERSATION_NOT_FOUND */
  async get(conversationId: string, userId: string, limit: number = LIMITS.groupSize): Promise<Conversation> {
    return this.show(await this.require(conversationId, userId), userId, limit)
  }

  /** Presents `row` with its current participants. Does not check that the asker is a member. */
  async show(row: ConversationRow, askerId: string, limit: number = LIMITS.groupSize): Promise<Conversation> {
    const [conversation] = (await this.#lists.load({ rows: [row], askerId, limit })) ?? []
    if (conversation === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    return conversation
  }

  /** Lists a user's conversations, newest activity first. `search` matches names of groups and of participants. */
  async list(userId: string, query: ListConversations): Promise<{ data: Conversation[]; meta: PageMeta }> {
    const { page, limit, search } = query
    const nameKey = foldText(search ?? '') || null
    const { rows, total } = await listConversations(this.#db.pool, userId, nameKey, limit, (page - 1) * limit)
    if (rows.length === 0) return { data: [], meta: pageMeta(page, limit, total) }
    const data = (await this.#lists.load({ rows, askerId: userId, limit: LIMITS.listedParticipants })) ?? []
    return { data, meta: pageMeta(page, limit, total) }
  }

  async unread(
    userId: string,
  ): Promise<{ total: number; conversations: { conversationId: string; unreadCount: number }[] }> {
    const rows = await listUnread(this.#db.pool, userId)
    return {
      total: rows.reduce((sum, row) => sum + row.unread_count, 0),
      conversations: rows.map((row) => ({ conversationId: row.conversation_id, unreadCount: row.unread_count })),
    }
  }

  /**
   * Takes three queries and one presence lookup, however many conversations there are. The next batch waits for the queries
   * only.
   */
  async #present(lists: readonly Shown[]): Promise<Map<Shown, Promise<Conversation[]>>> {
    const { pool } = this.#db
    const asked = lists.flatMap(({ rows, askerId, limit }) => rows.map((row) => ({ row, askerId, limit })))
    const newest = asked.flatMap(({ row: { id, last_seq } }) =>
      last_seq > 0 ? [{ conversationId: id, seq: last_seq }] : [],
    )
    const [people, messages, marks] = await Promise.all([
      listParticipants(
        pool,
        asked.map(({ row, askerId, limit }) => ({ conversationId: row.id, askerId, limit })),
      ),
      findMessages(pool, newest),
      listReadMarks(
        pool,
        newest.map(({ conversationId, seq }) => ({ conversationId, fromSeq: seq })),
      ),
    ])
    const marksOf = Map.groupBy(marks, (row) => row.conversation_id)
    const messageOf = new Map<string, Message>(
      messages.map((row) => [
        keyOf(row.conversation_id, row.seq),
        presentMessage(row, marksOf.get(row.conversation_id) ?? [], this.#links),
      ]),
    )
    const shown = asked.flatMap(({ row }, at) => (showsPresence(row) ? (people[at] ?? []).map(({ id }) => id) : []))
    // If Redis is down, everybody is shown as offline; conversations can still be read.
    const online = this.#presence.online([...new Set(shown)]).catch(() => new Set<string>())
    const present = async (rows: readonly ConversationRow[], from: number) => {
      const seen = await online
      const now = new Date()
      return rows.map((row, index) => {
        const visible = showsPresence(row) ? seen : null
        const participants = (people[from + index] ?? []).map((person) => presentParticipant(person, visible, now))
        return presentConversation(row, participants, messageOf.get(keyOf(row.id, row.last_seq)) ?? null)
      })
    }
    let from = 0
    const presented = new Map<Shown, Promise<Conversation[]>>()
    for (const list of lists) {
      presented.set(list, present(list.rows, from))
      from += list.rows.length
    }
    return presented
  }
}

function showsPresence(row: ConversationRow): boolean {
  return row.participant_count <= LIMITS.presenceGroupSize
}

function keyOf(conversationId: string, seq: number): string {
  return `${conversationId} ${seq}`
}
