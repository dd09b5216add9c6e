import { randomUUIDv7 } from 'node:crypto'
import {
  addParticipants,
  appendMessages,
  type ConversationRow,
  type Database,
  findCreated,
  findUsers,
  insertConversation,
  type LockedConversation,
  lockConversation,
  membersAmong,
  type NewConversation,
  type Queryable,
  readConversation,
  removeParticipant,
  renameConversation,
  transaction,
} from '@parley/db'
import {
  type Conversation,
  type CreateConversation,
  LIMITS,
  ParleyError,
  type SystemEvent,
  type User,
} from '@parley/protocol'
import { within } from '@parley/runtime/within'
import type { Change, ConversationNews } from './conversation-news.ts'
import type { ConversationReader } from './conversation-reader.ts'
import { foldText } from './fold.ts'
import { requireGroup, requireMayRemove } from './permissions.ts'
import type { AttachmentLinks, Ledger } from './ports.ts'
import { presentNewMessage, presentUser } from './present.ts'
import { systemMessage } from './system-messages.ts'

type News = Pick<ConversationNews, 'created' | 'changed'>

/**
 * A change is answered once Redis has been told of it, or has not taken it within this, in milliseconds: of a Redis that is
 * silent nobody knows for seconds that it is. Then a worker tells (see Ledger), and gateways, which have messages in their
 * order, look the removal up that is missing before they deliver what was stored after it.
 */
const TOLD_MS = 500

/** Who changes a conversation. */
export interface Actor extends User {
  /** A server of the product acts for them: they need not have seen anything of the conversation. */
  byService?: boolean
}

export interface ConversationWriterOptions {
  db: Database
  reader: ConversationReader
  news: News
  ledger: Ledger
  links: AttachmentLinks
}

/**
 * Creates conversations and changes their people and names. Each change is one transaction under the conversation's lock. It
 * is answered with the conversation as it was then: the actor may have left it before the answer.
 */
export class ConversationWriter {
  readonly #db: Database
  readonly #reader: ConversationReader
  readonly #news: News
  readonly #ledger: Ledger
  readonly #links: AttachmentLinks

  constructor({ db, reader, news, ledger, links }: ConversationWriterOptions) {
    this.#db = db
    this.#reader = reader
    this.#news = news
    this.#ledger = ledger
    this.#links = links
  }

  /**
   * Creates a conversation; the creator is always in it. A DIRECT one exists once for two people, and a group once for a
   * `clientConversationId` of its creator: whoever asks again gets it with `created: false`, under a race too.
   * @throws {ParleyError} UNKNOWN_USERS (details.userIds), VALIDATION_FAILED, GROUP_FULL; CONVERSATION_NOT_FOUND where it
   * exists and the creator has left it since
   */
  async create(creator: User, input: CreateConversation): Promise<{ conversation: Conversation; created: boolean }> {
    const userIds = [...new Set([creator.id, ...input.participantIds])]
    const direct = input.type === 'DIRECT'
    if (direct && userIds.length !== 2) {
      throw new ParleyError('VALIDATION_FAILED', {
        message: 'A DIRECT conversation has exactly two people; one with others is of type GROUP.',
        details: [{ path: 'participantIds', message: 'must name exactly one other person' }],
      })
    }
    if (userIds.length > LIMITS.groupSize) throw new ParleyError('GROUP_FULL')
    await this.#requireUsers(userIds)
    const name = direct ? null : (input.name ?? null)
    const directKey = direct ? JSON.stringify([...userIds].sort()) : null
    const id = randomUUIDv7()
    const nameKey = name && foldText(name)
    const clientConversationId = direct ? null : (input.clientConversationId ?? null)
    const fresh = {
      id,
      type: input.type,
      name,
      nameKey,
      directKey,
      createdBy: creator.id,
      clientConversationId,
      userIds,
    }
    const row = await this.#insert(fresh)
    if (row !== undefined) return { conversation: await this.#reader.show(row, creator.id), created: true }
    const existing = await findCreated(this.#db.pool, fresh)
    if (existing === undefined) throw new Error('neither a new nor an old conversation')
    return { conversation: await this.#reader.get(existing, creator.id), created: false }
  }

  /** @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP */
  async rename(actor: Actor, conversationId: string, name: string | null): Promise<Conversation> {
    const row = await this.#change(actor, conversationId, async (tx, conversation) => {
      if (conversation.name === name) return null
      await renameConversation(tx, conversationId, name, name && foldText(name))
      return { system: { event: 'renamed', name }, people: [] }
    })
    return this.#reader.show(row, actor.id)
  }

  /**
   * Adds people; those who are in it already are passed over.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP, UNKNOWN_USERS, GROUP_FULL
   */
  async add(actor: Actor, conversationId: string, userIds: readonly string[]): Promise<Conversation> {
    await this.#reader.require(conversationId, actor.id)
    const people = await this.#requireUsers(userIds)
    const row = await this.#change(actor, conversationId, async (tx, conversation) => {
      const present = new Set((await membersAmong(tx, conversationId, userIds)).map(({ id }) => id))
      const fresh = userIds.filter((id) => !present.has(id))
      if (fresh.length === 0) return null
      if (conversation.participant_count + fresh.length > LIMITS.groupSize) throw new ParleyError('GROUP_FULL')
      await addParticipants(tx, conversationId, fresh)
      const added = fresh.flatMap((id) => people.get(id) ?? [])
      return { added: fresh, system: { event: 'participantsAdded', userIds: fresh }, people: added }
    })
    return this.#reader.show(row, actor.id)
  }

  /**
   * Takes a person out: the owner anybody, everybody themself.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP, FORBIDDEN, USER_NOT_FOUND
   */
  async remove(actor: Actor, conversationId: string, userId: string): Promise<void> {
    const [row] = await findUsers(this.#db.pool, [userId])
    await this.#change(actor, conversationId, async (tx, conversation) => {
      requireMayRemove({ id: actor.id, role: conversation.role }, userId)
      const [target] = await membersAmong(tx, conversationId, [userId])
      if (target === undefined || row === undefined) {
        throw new ParleyError('USER_NOT_FOUND', { message: 'They are not in this conversation.' })
      }
      const event = actor.id === userId ? 'participantLeft' : 'participantRemoved'
      return { removed: [userId], system: { event, userIds: [userId] }, people: [presentUser(row)] }
    })
  }

  /** @returns undefined where it exists already */
  #insert(conversation: NewConversation): Promise<ConversationRow | undefined> {
    return this.#ledger.cover(async (origin, batch, publishing) => {
      const row = await insertConversation(this.#db.pool, conversation, origin, batch)
      if (row !== undefined) {
        const told = this.#news.created(conversation.id)
        publishing(told)
        await within(TOLD_MS, told, () => undefined)
      }
      return row
    })
  }

  /**
   * Runs one change with its SYSTEM message and tells everybody of it. The message is stored before a person is taken
   * out, for the one who leaves is its author.
   * @returns the conversation after it, as the actor saw it
   */
  #change(
    { byService = false, ...actor }: Actor,
    conversationId: string,
    work: (tx: Queryable, conversation: LockedConversation) => Promise<Planned | null>,
  ): Promise<ConversationRow> {
    return this.#ledger.cover(async (origin, batch, publishing) => {
      const { row, change } = await transaction(this.#db, async (tx): Promise<Changed> => {
        const conversation = await lockConversation(tx, conversationId, actor.id)
        if (conversation === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
        requireGroup(conversation.type)
        const planned = await work(tx, conversation)
        if (planned === null) return { row: await seenBy(tx, conversationId, actor), change: null }
        const { added = [], removed = [] } = planned
        const system = byService ? { ...planned.system, byService } : planned.system
        const draft = systemMessage(conversationId, actor, system, planned.people)
        const [stored] = await appendMessages(tx, [draft], origin, batch)
        if (stored === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
        for (const userId of removed) await removeParticipant(tx, conversationId, userId)
        const row = await seenBy(tx, conversationId, actor)
        const { rev, name, participant_count: participantCount } = row
        const update = { conversationId, rev, name, added, removed, participantCount }
        return { row, change: { message: presentNewMessage(draft, stored, actor, this.#links), update } }
      })
      if (change === null) return row
      const told = this.#news.changed(change)
      publishing(told)
      // What is sent after a removal's answer should not overtake the removal to any gateway.
      await within(TOLD_MS, told, () => undefined)
      return row
    })
  }

  async #requireUsers(userIds: readonly string[]): Promise<Map<string, User>> {
    const rows = await findUsers(this.#db.pool, userIds)
    const known = new Map(rows.map((row) => [row.id, presentUser(row)]))
    const unknown = userIds.filter((id) => !known.has(id))
    if (unknown.length > 0) {
      const message = `There is nobody with ${unknown.length === 1 ? 'this id' : 'these ids'}: ${unknown.slice(0, 10).join(', ')}`
      throw new ParleyError('UNKNOWN_USERS', { message, details: { userIds: unknown } })
    }
    return known
  }
}

async function seenBy(tx: Queryable, conversationId: string, actor: User): Promise<ConversationRow> {
  const row = await readConversation(tx, conversationId, actor.id)
  if (row === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
  return row
}

interface Changed {
  row: ConversationRow
  /** Null where there was nothing to do. */
  change: Change | null
}

interface Planned {
  system: SystemEvent
  /** Whom the message names. */
  people: User[]
  added?: string[]
  removed?: string[]
}
