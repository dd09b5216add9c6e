import type { Conversation, SearchHit, User } from '@parley/protocol'
import type { ClientCore } from './core.ts'
import { ParleyClientError } from './errors.ts'
import { randomId } from './random-id.ts'
import type { Page } from './types.ts'

const CONVERSATIONS = '/api/messages/conversations'

/** Filters and paging of a search. */
export interface SearchOptions {
  /** Only messages of this conversation. */
  conversationId?: string | undefined
  /** Only messages of this person. */
  senderId?: string | undefined
  /** `from` and `to` are inclusive. */
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
 * The client's HTTP requests. Unlike sends they are never queued: each completes or rejects with a `ParleyClientError`. Reads
 * and `createConversation` are retried a few times first. A conversation that the user is not in is CONVERSATION_NOT_FOUND.
 */
export class ServerRequests {
  /** @internal */
  protected readonly core: ClientCore

  /** @internal */
  constructor(core: ClientCore) {
    this.core = core
  }

  /**
   * Creates a conversation of the user and others; for a DIRECT one that exists already, returns that. Retried a few times
   * on errors that may pass; it is created only once.
   * @param input `name` (up to 200 UTF-16 units) and `clientConversationId` apply to groups. Keep a `clientConversationId`
   * across a reload to get the same group again
   * @throws {ParleyClientError} UNKNOWN_USERS and TOO_MANY_CONVERSATIONS (listed in `details`), VALIDATION_FAILED,
   * GROUP_FULL
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

  /** Fetches one conversation with all its members; `conversations` lists at most a hundred of each. */
  async fetchConversation(conversationId: string): Promise<Conversation> {
    const { data } = await this.core.http.get<Conversation>(pathOf(conversationId))
    return this.core.inbox.put(data)
  }

  /** Renames a group; null removes its name. @throws {ParleyClientError} NOT_A_GROUP, VALIDATION_FAILED */
  async rename(conversationId: string, name: string | null): Promise<Conversation> {
    return this.#change('PATCH', conversationId, '', { name })
  }

  /**
   * Adds users to a group; those already in it are unaffected.
   * @throws {ParleyClientError} UNKNOWN_USERS, GROUP_FULL, TOO_MANY_CONVERSATIONS, NOT_A_GROUP
   */
  async addParticipants(conversationId: string, userIds: readonly string[]): Promise<Conversation> {
    return this.#change('POST', conversationId, '/participants', { userIds })
  }

  /**
   * Removes a user from a group; pass the user's own id to leave it.
   * @throws {ParleyClientError} FORBIDDEN (only the owner may remove others), NOT_A_GROUP, USER_NOT_FOUND
   */
  async removeParticipant(conversationId: string, userId: string): Promise<void> {
    await this.core.http.send('DELETE', `${pathOf(conversationId)}/participants/${encodeURIComponent(userId)}`)
  }

  /** Mutes a conversation's pushes until the given time; null unmutes it. */
  async mute(conversationId: string, until: Date | null): Promise<void> {
    await this.core.http.send('PUT', `${pathOf(conversationId)}/mute`, {
      body: { until: until?.toISOString() ?? null },
    })
  }

  /** Returns the conversations that are muted now: the end of the mute by conversation id. */
  async mutes(): Promise<ReadonlyMap<string, Date>> {
    const { data } = await this.core.http.get<{ conversationId: string; mutedUntil: string }[]>('/api/messages/mutes')
    return new Map(data.map(({ conversationId, mutedUntil }) => [conversationId, new Date(mutedUntil)]))
  }

  /** Returns the key for `pushManager.subscribe`; null if the cluster sends no pushes. */
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
   * @param subscription the result of `PushSubscription.toJSON()`
   * @throws {ParleyClientError} PUSH_DISABLED, VALIDATION_FAILED
   */
  async savePushSubscription(subscription: {
    endpoint?: string | undefined
    expirationTime?: number | null | undefined
    keys?: Record<string, string> | undefined
  }): Promise<void> {
    await this.core.http.send('POST', '/api/push/subscriptions', { body: subscription })
  }

  /** Stops pushes to this device. */
  async removePushSubscription(endpoint: string): Promise<void> {
    await this.core.http.send('DELETE', '/api/push/subscriptions', { body: { endpoint } })
  }

  /**
   * Searches the user's conversations for messages with all words of `query` (up to 200 UTF-16 units). The last word matches
   * as a prefix, and "quoted words" match as a phrase. `total` counts up to 1,000.
   * @throws {ParleyClientError} VALIDATION_FAILED if `query` has no letter, digit or emoji
   */
  search(query: string, { from, to, ...options }: SearchOptions = {}): Promise<Page<SearchHit>> {
    // Messages have microseconds and a Date only milliseconds: include the whole millisecond.
    const end = to?.toISOString().replace('Z', '999Z')
    const period = { ...(from && { from: from.toISOString() }), ...(end && { to: end }) }
    return this.#page<SearchHit>('/api/messages/search', { query, ...options, ...period })
  }

  /** Finds users by part of their name; '' matches everybody. `page` counts from 1; `limit` is at most 100, 20 by default. */
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
