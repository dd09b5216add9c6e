import type { Conversation, SearchHit, User } from '@parley/protocol'
import type { ClientCore } from './core.ts'
import { ParleyClientError } from './errors.ts'
import { randomId } from './random-id.ts'
import type { Page } from './types.ts'

const CONVERSATIONS = '/api/messages/conversations'

/** What narrows a search down. */
export interface SearchOptions {
  /** Only messages of this conversation. */
  conversationId?: string | undefined
  /** Only messages of this person. */
  senderId?: string | undefined
  /** Both ends are included. */
  from?: Date | undefined
  to?: Date | undefined
  /** Default: newest first. */
  sort?: 'newest' | 'best' | undefined
  /** From 1, the default. */
  page?: number | undefined
  /** Messages on a page: 1 to 100, 20 by default. */
  limit?: number | undefined
}

/**
 * What a client asks of the server over HTTP: it happens now or rejects now, with a `ParleyClientError`. What only reads, and
 * a new conversation, is tried again a few times first. Everything about a conversation that one is not in is CONVERSATION_NOT_FOUND.
 */
export class ServerRequests {
  /** @internal */
  protected readonly core: ClientCore

  /** @internal */
  constructor(core: ClientCore) {
    this.core = core
  }

  /**
   * Makes a conversation of oneself and others; a DIRECT one that exists already is that one. Tried again a few times when that
   * can help: it is made once.
   * @param input `name` is for groups, up to 200 UTF-16 units. `clientConversationId` as well: whoever keeps one over a reload
   * gets the group that was made under it
   * @throws {ParleyClientError} UNKNOWN_USERS (`details` say who), VALIDATION_FAILED, GROUP_FULL
   */
  async createConversation(input: {
    type: 'DIRECT' | 'GROUP'
    participantIds: readonly string[]
    name?: string | undefined
    clientConversationId?: string | undefined
  }): Promise<Conversation> {
    const { http } = this.core
    const { clientConversationId = randomId() } = input
    const body = { ...input, clientConversationId }
    const { data } = await http.again(() => http.send<Conversation>('POST', CONVERSATIONS, { body }), undefined)
    return this.core.inbox.put(data)
  }

  /** Fetches one conversation with all its people; the list has a hundred of each at most. */
  async fetchConversation(conversationId: string): Promise<Conversation> {
    const { data } = await this.core.http.get<Conversation>(pathOf(conversationId))
    return this.core.inbox.put(data)
  }

  /** Names a group, or takes its name away (null). @throws {ParleyClientError} NOT_A_GROUP, VALIDATION_FAILED */
  async rename(conversationId: string, name: string | null): Promise<Conversation> {
    return this.#change('PATCH', conversationId, '', { name })
  }

  /**
   * Puts people into a group; those who are in it already stay.
   * @throws {ParleyClientError} UNKNOWN_USERS, GROUP_FULL, NOT_A_GROUP
   */
  async addParticipants(conversationId: string, userIds: readonly string[]): Promise<Conversation> {
    return this.#change('POST', conversationId, '/participants', { userIds })
  }

  /**
   * Takes somebody out of a group; oneself, to leave it.
   * @throws {ParleyClientError} FORBIDDEN (only its owner takes others out), NOT_A_GROUP, USER_NOT_FOUND
   */
  async removeParticipant(conversationId: string, userId: string): Promise<void> {
    await this.core.http.send('DELETE', `${pathOf(conversationId)}/participants/${encodeURIComponent(userId)}`)
  }

  /** Silences a conversation's pushes until a moment; null lets them sound again. */
  async mute(conversationId: string, until: Date | null): Promise<void> {
    await this.core.http.send('PUT', `${pathOf(conversationId)}/mute`, {
      body: { until: until?.toISOString() ?? null },
    })
  }

  /** Until when conversations are silenced: a moment by id of the conversation, only of those that are now. */
  async mutes(): Promise<ReadonlyMap<string, Date>> {
    const { data } = await this.core.http.get<{ conversationId: string; mutedUntil: string }[]>('/api/messages/mutes')
    return new Map(data.map(({ conversationId, mutedUntil }) => [conversationId, new Date(mutedUntil)]))
  }

  /** The key for `pushManager.subscribe`; null where the cluster sends no pushes. */
  async pushPublicKey(): Promise<string | null> {
    try {
      return (await this.core.http.get<{ publicKey: string }>('/api/push/public-key')).data.publicKey
    } catch (error) {
      if (error instanceof ParleyClientError && error.code === 'PUSH_DISABLED') return null
      throw error
    }
  }

  /**
   * Registers this device for pushes.
   * @param subscription what `PushSubscription.toJSON()` gives
   * @throws {ParleyClientError} PUSH_DISABLED, VALIDATION_FAILED
   */
  async savePushSubscription(subscription: {
    endpoint?: string | undefined
    expirationTime?: number | null | undefined
    keys?: Record<string, string> | undefined
  }): Promise<void> {
    await this.core.http.send('POST', '/api/push/subscriptions', { body: subscription })
  }

  /** No more pushes to this device. */
  async removePushSubscription(endpoint: string): Promise<void> {
    await this.core.http.send('DELETE', '/api/push/subscriptions', { body: { endpoint } })
  }

  /**
   * Finds messages in one's conversations by their words (up to 200 UTF-16 units in all); the last one may be a beginning,
   * "what is in quotes" stands in a row. `total` counts up to 1,000.
   * @throws {ParleyClientError} VALIDATION_FAILED where there is no letter, digit or emoji in it
   */
  search(query: string, { from, to, ...options }: SearchOptions = {}): Promise<Page<SearchHit>> {
    // A Date knows milliseconds; several messages may be of the one that it names.
    const end = to?.toISOString().replace('Z', '999Z')
    const period = { ...(from && { from: from.toISOString() }), ...(end && { to: end }) }
    return this.#page<SearchHit>('/api/messages/search', { query, ...options, ...period })
  }

  /** Finds people by a part of their names, everybody by ''. `page` from 1, `limit` up to 100 (20). */
  searchUsers(
    search: string,
    options: { page?: number | undefined; limit?: number | undefined } = {},
  ): Promise<Page<User>> {
    return this.#page<User>('/api/users', { search, ...options })
  }

  async #page<T>(path: string, query: Record<string, string | number | undefined>): Promise<Page<T>> {
    const { data, meta } = await this.core.http.get<T[], Omit<Page<T>, 'data'>>(path, { query })
    return { data, page: meta.page, limit: meta.limit, total: meta.total }
  }

  async #change(method: string, conversationId: string, path: string, body: unknown): Promise<Conversation> {
    const { data } = await this.core.http.send<Conversation>(method, pathOf(conversationId) + path, { body })
    return this.core.inbox.put(data)
  }
}

function pathOf(conversationId: string): string {
  return `${CONVERSATIONS}/${encodeURIComponent(conversationId)}`
}
