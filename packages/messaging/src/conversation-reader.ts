import {
  type ConversationRow,
  type Database,
  findConversation,
  findMessages,
  listConversations,
  listParticipants,
  listReadMarks,
  listUnread,
  type ParticipantRow,
  type ReadMarkRow,
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
import { foldText } from './fold.ts'
import type { AttachmentLinks, Presence } from './ports.ts'
import { presentConversation, presentMessage, presentParticipant } from './present.ts'

/** Shows conversations to their members. */
export class ConversationReader {
  readonly #db: Database
  readonly #presence: Presence
  readonly #links: AttachmentLinks

  constructor(db: Database, presence: Presence, links: AttachmentLinks) {
    this.#db = db
    this.#presence = presence
    this.#links = links
  }

  /** The row, for one who is in it. @throws {ParleyError} CONVERSATION_NOT_FOUND */
  async require(conversationId: string, userId: string): Promise<ConversationRow> {
    const row = await findConversation(this.#db.pool, conversationId, userId)
    if (row === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    return row
  }

  /** One conversation with `limit` of its people. @throws {ParleyError} CONVERSATION_NOT_FOUND */
  async get(conversationId: string, userId: string, limit: number = LIMITS.groupSize): Promise<Conversation> {
    const row = await this.require(conversationId, userId)
    const [conversation] = await this.#present([row], userId, limit)
    if (conversation === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
    return conversation
  }

  /** A person's conversations, newest activity first. `search` looks in the group's name and its people's names. */
  async list(userId: string, query: ListConversations): Promise<{ data: Conversation[]; meta: PageMeta }> {
    const { page, limit, search } = query
    const nameKey = foldText(search ?? '') || null
    const { rows, total } = await listConversations(this.#db.pool, userId, nameKey, limit, (page - 1) * limit)
    const data = await this.#present(rows, userId, LIMITS.listedParticipants)
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

  /** Four queries and one look at presence, however many conversations there are. */
  async #present(rows: readonly ConversationRow[], askerId: string, limitEach: number): Promise<Conversation[]> {
    if (rows.length === 0) return []
    const { pool } = this.#db
    const newest = rows.filter((row) => row.last_seq > 0)
    const [people, messages, marks] = await Promise.all([
      listParticipants(
        pool,
        rows.map((row) => row.id),
        askerId,
        limitEach,
      ),
      findMessages(
        pool,
        newest.map((row) => ({ conversationId: row.id, seq: row.last_seq })),
      ),
      listReadMarks(
        pool,
        newest.map((row) => ({ conversationId: row.id, fromSeq: row.last_seq })),
      ),
    ])
    const peopleOf = Map.groupBy(people, (row) => row.conversation_id)
    const marksOf = Map.groupBy(marks, (row) => row.conversation_id)
    const lastOf = new Map<string, Message>(
      messages.map((row) => [
        row.conversation_id,
        presentMessage(row, marksOf.get(row.conversation_id) ?? NO_MARKS, this.#links),
      ]),
    )
    const shown = rows.filter(showsPresence)
    // With Redis away everybody is shown as offline; conversations are still there to be read.
    const ids = idsOf(shown.flatMap((row) => peopleOf.get(row.id) ?? []))
    const online = await this.#presence.online(ids).catch(() => new Set<string>())
    const now = new Date()
    return rows.map((row) => {
      const seen = showsPresence(row) ? online : null
      const participants = (peopleOf.get(row.id) ?? []).map((person) => presentParticipant(person, seen, now))
      return presentConversation(row, participants, lastOf.get(row.id) ?? null)
    })
  }
}

const NO_MARKS: ReadMarkRow[] = []

function showsPresence(row: ConversationRow): boolean {
  return row.participant_count <= LIMITS.presenceGroupSize
}

function idsOf(people: readonly ParticipantRow[]): string[] {
  return [...new Set(people.map((person) => person.id))]
}
