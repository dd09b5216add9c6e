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

/** People whose memberships are looked up by one statement. */
const BATCH = 500
/** Lists that share their statements: a list of 20 brings some 200 rows. */
const LISTS = 8

/** What is shown of some conversations to one who is in them. */
interface Shown {
  rows: readonly ConversationRow[]
  askerId: string
  /** People of each. */
  limit: number
}

/** Shows conversations to their members. Those who ask at the same time share the statements. */
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

  /** The row, for one who is in it. @throws {ParleyError} CONVERSATION_NOT_FOUND */
  async require(conversationId: string, userId: string): Promise<ConversationRow> {
    const row = await this.#members.load({ conversationId, userId })
    if (row === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    return row
  }

  /** Those of these people who are not in it. */
  async outsiders(conversationId: string, userIds: readonly string[]): Promise<string[]> {
    const rows = await Promise.all(userIds.map((userId) => this.#members.load({ conversationId, userId })))
    return userIds.filter((_, index) => rows[index] === undefined)
  }

  /** One conversation with `limit` of its people. @throws {ParleyError} CONVERSATION_NOT_FOUND */
  async get(conversationId: string, userId: string, limit: number = LIMITS.groupSize): Promise<Conversation> {
    return this.show(await this.require(conversationId, userId), userId, limit)
  }

  /** What `row` says of a conversation, with its people as they are now. Of the asker's being in it nothing is asked. */
  async show(row: ConversationRow, askerId: string, limit: number = LIMITS.groupSize): Promise<Conversation> {
    const [conversation] = (await this.#lists.load({ rows: [row], askerId, limit })) ?? []
    if (conversation === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    return conversation
  }

  /** A person's conversations, newest activity first. `search` looks in the group's name and its people's names. */
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

  /** Three queries and one look at presence, however many conversations there are. The next lists wait for the queries only. */
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
    // With Redis away everybody is shown as offline; conversations are still there to be read.
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
