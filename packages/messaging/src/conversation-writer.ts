import { randomUUIDv7 } from 'node:crypto'
import {
  addParticipants,
  appendMessages,
  type Database,
  findDirect,
  findUsers,
  insertConversation,
  type LockedConversation,
  lockConversation,
  membersAmong,
  type Queryable,
  readRev,
  removeParticipant,
  renameConversation,
  transaction,
} from '@parley/db'
import {
  type Conversation,
  type CreateConversation,
  LIMITS,
  type Message,
  ParleyError,
  type ServerEvents,
  type SystemEvent,
  type User,
} from '@parley/protocol'
import type { ConversationReader } from './conversation-reader.ts'
import { foldText } from './fold.ts'
import { requireGroup, requireMayRemove } from './permissions.ts'
import type { AttachmentLinks, Events, Ledger } from './ports.ts'
import { presentNewMessage, presentUser } from './present.ts'
import { systemMessage } from './system-messages.ts'

export interface ConversationWriterOptions {
  db: Database
  reader: ConversationReader
  events: Events
  ledger: Ledger
  links: AttachmentLinks
}

/** What a change left behind: the SYSTEM message that tells of it and the counters after it. */
interface Change {
  message: Message
  update: ServerEvents['conversationUpdated']
}

/** Creates conversations and changes their people and names. Each change is one transaction under the conversation's lock. */
export class ConversationWriter {
  readonly #db: Database
  readonly #reader: ConversationReader
  readonly #events: Events
  readonly #ledger: Ledger
  readonly #links: AttachmentLinks

  constructor({ db, reader, events, ledger, links }: ConversationWriterOptions) {
    this.#db = db
    this.#reader = reader
    this.#events = events
    this.#ledger = ledger
    this.#links = links
  }

  /**
   * Creates a conversation; the creator is always in it. A DIRECT one exists once for two people: whoever asks again
   * gets it with `created: false`, under a race too.
   * @throws {ParleyError} UNKNOWN_USERS (details.userIds), VALIDATION_FAILED, GROUP_FULL
   */
  async create(creator: User, input: CreateConversation): Promise<{ conversation: Conversation; created: boolean }> {
    const userIds = [...new Set([creator.id, ...input.participantIds])]
    const direct = input.type === 'DIRECT'
    if (direct && userIds.length !== 2) {
      throw new ParleyError('VALIDATION_FAILED', {
        message: 'A DIRECT conversation has exactly two people.',
        details: [{ path: 'participantIds', message: 'must name exactly one other person' }],
      })
    }
    if (userIds.length > LIMITS.groupSize) throw new ParleyError('GROUP_FULL')
    await this.#requireUsers(userIds)
    const name = direct ? null : (input.name ?? null)
    const directKey = direct ? JSON.stringify([...userIds].sort()) : null
    const id = randomUUIDv7()
    const nameKey = name && foldText(name)
    const fresh = { id, type: input.type, name, nameKey, directKey, createdBy: creator.id, userIds }
    if (await insertConversation(this.#db.pool, fresh)) {
      await this.#introduce(id, creator.id, userIds, 0)
      return { conversation: await this.#reader.get(id, creator.id), created: true }
    }
    const existing = directKey === null ? undefined : await findDirect(this.#db.pool, directKey)
    if (existing === undefined) throw new Error('neither a new nor an old conversation')
    return { conversation: await this.#reader.get(existing, creator.id), created: false }
  }

  /** @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP */
  async rename(actor: User, conversationId: string, name: string | null): Promise<Conversation> {
    await this.#change(actor, conversationId, async (tx, conversation) => {
      if (conversation.name === name) return null
      await renameConversation(tx, conversationId, name, name && foldText(name))
      return { name, system: { event: 'renamed', name }, people: [] }
    })
    return this.#reader.get(conversationId, actor.id)
  }

  /**
   * Adds people; those who are in it already are passed over.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP, UNKNOWN_USERS, GROUP_FULL
   */
  async add(actor: User, conversationId: string, userIds: readonly string[]): Promise<Conversation> {
    await this.#reader.require(conversationId, actor.id)
    const people = await this.#requireUsers(userIds)
    let fresh: string[] = []
    const change = await this.#change(actor, conversationId, async (tx, conversation) => {
      const present = new Set((await membersAmong(tx, conversationId, userIds)).map((row) => row.user_id))
      fresh = userIds.filter((id) => !present.has(id))
      if (fresh.length === 0) return null
      if (conversation.participant_count + fresh.length > LIMITS.groupSize) throw new ParleyError('GROUP_FULL')
      await addParticipants(tx, conversationId, fresh)
      const added = fresh.flatMap((id) => people.get(id) ?? [])
      return { added: fresh, system: { event: 'participantsAdded', userIds: fresh }, people: added }
    })
    if (change !== null) await this.#introduce(conversationId, actor.id, fresh, change.message.seq)
    return this.#reader.get(conversationId, actor.id)
  }

  /**
   * Takes a person out: the owner anybody, everybody themself.
   * @throws {ParleyError} CONVERSATION_NOT_FOUND, NOT_A_GROUP, FORBIDDEN, USER_NOT_FOUND
   */
  async remove(actor: User, conversationId: string, userId: string): Promise<void> {
    const [row] = await findUsers(this.#db.pool, [userId])
    await this.#change(actor, conversationId, async (tx, conversation) => {
      requireMayRemove({ id: actor.id, role: conversation.role }, userId)
      const [target] = await membersAmong(tx, conversationId, [userId])
      if (target === undefined || row === undefined) throw new ParleyError('USER_NOT_FOUND')
      const event = actor.id === userId ? 'participantLeft' : 'participantRemoved'
      return { removed: userId, system: { event, userIds: [userId] }, people: [presentUser(row)] }
    })
  }

  /**
   * Runs one change with its SYSTEM message and tells everybody of it. The message is stored before a person is taken
   * out, for the one who leaves is its author.
   */
  #change(
    actor: User,
    conversationId: string,
    work: (tx: Queryable, conversation: LockedConversation) => Promise<Planned | null>,
  ): Promise<Change | null> {
    return this.#ledger.cover(async (origin, batch, publishing) => {
      const change = await transaction(this.#db, async (tx) => {
        const conversation = await lockConversation(tx, conversationId, actor.id)
        if (conversation === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
        requireGroup(conversation.type)
        const planned = await work(tx, conversation)
        if (planned === null) return null
        const draft = systemMessage(conversationId, actor, planned.system, planned.people)
        const [stored] = await appendMessages(tx, [draft], origin, batch)
        if (stored === undefined) throw new ParleyError('CONVERSATION_NOT_FOUND')
        if (planned.removed !== undefined) await removeParticipant(tx, conversationId, planned.removed)
        const { rev, participant_count: participantCount } = await readRev(tx, conversationId)
        const name = planned.name === undefined ? conversation.name : planned.name
        const removed = planned.removed === undefined ? [] : [planned.removed]
        const update = { conversationId, rev, name, added: planned.added ?? [], removed, participantCount }
        return { message: presentNewMessage(draft, stored, actor, this.#links), update }
      })
      if (change === null) return null
      const told = this.#tell(change)
      publishing(told)
      // What is stored after a removal's answer must not overtake the removal to any gateway.
      if (change.update.removed.length > 0) await told
      return change
    })
  }

  /** Resolves when the processes that Redis reaches are sure to hear of it before anything that is sent from then on. */
  async #tell({ message, update }: Change): Promise<boolean> {
    const left = update.removed.map((userId) => this.#events.leave(userId, update))
    const taken = this.#events.message(message, update.removed)
    this.#events.toConversation(update.conversationId, 'conversationUpdated', update)
    await Promise.all(left)
    return taken
  }

  /** Brings people's open sockets into a conversation they were just put into. */
  async #introduce(
    conversationId: string,
    actorId: string,
    userIds: readonly string[],
    lastSeq: number,
  ): Promise<void> {
    const seen = await this.#reader.get(conversationId, actorId, LIMITS.listedParticipants)
    for (const userId of userIds) {
      const lastReadSeq = userId === actorId ? seen.lastReadSeq : Math.max(0, lastSeq - 1)
      const participants = [
        ...seen.participants.filter(({ id }) => id !== userId),
        ...seen.participants.filter(({ id }) => id === userId),
      ]
      const unreadCount = Math.max(0, seen.lastSeq - lastReadSeq)
      this.#events.join(userId, lastSeq, { ...seen, participants, lastReadSeq, unreadCount })
    }
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

interface Planned {
  system: SystemEvent
  /** Whom the message names. */
  people: User[]
  name?: string | null
  added?: string[]
  removed?: string
}
