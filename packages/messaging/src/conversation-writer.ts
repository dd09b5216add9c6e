import { randomUUIDv7 } from 'node:crypto'
import {
  addParticipants,
  appendMessages,
  type ConversationRow,
  type Database,
  findCreated,
  findInMany,
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
 * How long the answer to a change waits for Redis to accept its publication, in milliseconds, as it takes seconds to notice
 * that a Redis has stopped responding. What Redis has not accepted by then, a worker publishes (see Ledger). Gateways, which
 * deliver messages in order, look up a missing removal before they deliver anything stored after it.
 */
const PUBLISH_MS = 500

/** The user who changes a conversation. */
export interface Actor extends User {
  /** A server of the product acts on their behalf: they need not have read anything of the conversation. */
  byService?: boolean
}

export interface ConversationWriterOptions {
  db: Database
  reader: ConversationReader
  news: News
  ledger: Ledger
  links: AttachmentLinks
  /** Conversations that one user may be in; 0 for any number. Concurrent changes may exceed it by as many as there are. */
  maxConversations?: number
}

/**
 * Creates conversations and changes their members and names. Each change is one transaction under the conversation's lock. The
 * answer shows the conversation as of the change, even if the actor has left it before the answer.
 */
export class ConversationWriter {
  readonly #db: Database
  readonly #reader: ConversationReader
  readonly #news: News
  readonly #ledger: Ledger
  readonly #links: AttachmentLinks
  readonly #maxConversations: number

  constructor({ db, reader, news, ledger, links, maxConversations = 0 }: ConversationWriterOptions) {
    this.#db = db
    this.#reader = reader
    this.#news = news
    this.#ledger = ledger
    this.#links = links
    this.#maxConversations = maxConversations
  }

  /**
   * Creates a conversation; the creator is always a member. There is one DIRECT conversation for two users, and one group for
   * a `clientConversationId` of its creator: asking again returns it with `created: false`, even under a race.
   * @throws {ParleyError} UNKNOWN_USERS and TOO_MANY_CONVERSATIONS (details.userIds), VALIDATION_FAILED, GROUP_FULL;
   * CONVERSATION_NOT_FOUND if it exists and the creator has left it
   */
  async create(creator: Actor, input: CreateConversation): Promise<{ conversation: Conversation; created: boolean }> {
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
    const full = await this.#inTooMany(this.#db.pool, creator, userIds)
    const row = full.length === 0 ? await this.#insert(fresh) : undefined
    if (row !== undefined) return { conversation: await this.#reader.show(row, creator.id), created: true }
    const existing = await findCreated(this.#db.pool, fresh)
    if (existing === undefined) {
      requireRoom(full)
      throw new Error('a conversation was neither inserted nor found')
    }
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
   * Adds members; those already in it are ignored.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP, UNKNOWN_USERS, GROUP_FULL, TOO_MANY_CONVERSATIONS
   */
  async add(actor: Actor, conversationId: string, userIds: readonly string[]): Promise<Conversation> {
    await this.#reader.require(conversationId, actor.id)
    const people = await this.#requireUsers(userIds)
    const row = await this.#change(actor, conversationId, async (tx, conversation) => {
      const present = new Set((await membersAmong(tx, conversationId, userIds)).map(({ id }) => id))
      const fresh = userIds.filter((id) => !present.has(id))
      if (fresh.length === 0) return null
      if (conversation.participant_count + fresh.length > LIMITS.groupSize) throw new ParleyError('GROUP_FULL')
      requireRoom(await this.#inTooMany(tx, actor, fresh))
      await addParticipants(tx, conversationId, fresh)
      const added = fresh.flatMap((id) => people.get(id) ?? [])
      return { added: fresh, system: { event: 'participantsAdded', userIds: fresh }, people: added }
    })
    return this.#reader.show(row, actor.id)
  }

  /**
   * Removes a member: the owner may remove anybody, anybody may leave.
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

  /** Those of these users who are in as many conversations as allowed; none if a service adds them. */
  async #inTooMany(db: Queryable, { byService }: Actor, userIds: readonly string[]): Promise<string[]> {
    if (byService === true || this.#maxConversations === 0) return []
    return findInMany(db, userIds, this.#maxConversations)
  }

  /** @returns undefined if it exists already */
  #insert(conversation: NewConversation): Promise<ConversationRow | undefined> {
    return this.#ledger.cover(async (origin, batch, publishing) => {
      const row = await insertConversation(this.#db.pool, conversation, origin, batch)
      if (row !== undefined) {
        const published = this.#news.created(conversation.id)
        publishing(published)
        await within(PUBLISH_MS, published, () => undefined)
      }
      return row
    })
  }

  /**
   * Runs one change with its SYSTEM message and publishes it. The message is stored before a member is removed, because a
   * member who leaves is its author.
   * @returns the conversation after the change, as the actor sees it
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
      const published = this.#news.changed(change)
      publishing(published)
      // A message sent after the answer to a removal should not overtake the removal on the way to any gateway.
      await within(PUBLISH_MS, published, () => undefined)
      return row
    })
  }

  async #requireUsers(userIds: readonly string[]): Promise<Map<string, User>> {
    const rows = await findUsers(this.#db.pool, userIds)
    const known = new Map(rows.map((row) => [row.id, presentUser(row)]))
    const unknown = userIds.filter((id) => !known.has(id))
    if (unknown.length > 0) {
      const nobody = unknown.length === 1 ? 'There is no user with this id' : 'There are no users with these ids'
      const message = `${nobody}: ${unknown.slice(0, 10).join(', ')}`
      throw new ParleyError('UNKNOWN_USERS', { message, details: { userIds: unknown } })
    }
    return known
  }
}

function requireRoom(userIds: readonly string[]): void {
  if (userIds.length > 0) throw new ParleyError('TOO_MANY_CONVERSATIONS', { details: { userIds } })
}

async function seenBy(tx: Queryable, conversationId: string, actor: User): Promise<ConversationRow> {
  const row = await readConversation(tx, conversationId, actor.id)
  if (row === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
  return row
}

interface Changed {
  row: ConversationRow
  /** Null if there was nothing to do. */
  change: Change | null
}

interface Planned {
  system: SystemEvent
  /** The users named in the message. */
  people: User[]
  added?: string[]
  removed?: string[]
}
