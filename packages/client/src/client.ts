import type { Conversation, Message, User } from '@parley/protocol'
import type { ConnectionState } from './connection.ts'
import { ClientCore } from './core.ts'
import { ParleyClientError } from './errors.ts'
import { LazyStore, type Store } from './store.ts'
import type { ClientEvents, MessagesSnapshot, Page, ParleyClientOptions, SendOptions } from './types.ts'
import type { TypingPerson } from './typing.ts'
import { type UploadOptions, upload } from './upload.ts'

const CONVERSATIONS = '/api/messages/conversations'

/** A found message: as everywhere, and the conversation it is in. */
export type FoundMessage = Message & { readonly conversation: Pick<Conversation, 'type' | 'participants'> }

/**
 * A person's connection to a Parley cluster.
 *
 *     const client = new ParleyClient({ url, getToken })
 *     client.on('message', (message) => show(message))
 *     client.connect()
 *     await client.send(conversationId, 'Hello')
 *
 * It connects by itself, again and again, fetches what it missed, delivers each message once and in order, and keeps what
 * one sends until the server has stored it.
 */
export class ParleyClient {
  readonly #core: ClientCore
  readonly #messages = new Map<string, Store<MessagesSnapshot>>()
  /** The connection's state. */
  readonly state: Store<ConnectionState>
  /** All conversations, newest activity first. */
  readonly conversations: Store<readonly Conversation[]>
  /** Unread messages in all conversations together. */
  readonly unread: Store<number>
  /** Ids of the people who are online, among those one shares conversations with. */
  readonly presence: Store<ReadonlySet<string>>

  constructor(options: ParleyClientOptions) {
    const core = new ClientCore(options)
    const state = new LazyStore(() => core.connection.state)
    core.events.on('state', () => state.invalidate())
    this.#core = core
    this.state = state
    this.conversations = core.inbox.conversations
    this.unread = core.inbox.unread
    this.presence = core.presence.store
  }

  /** The person's id; undefined until there has been a token. */
  get userId(): string | undefined {
    return this.#core.userId ?? this.#core.tokens.userId
  }

  /** Calls `listener` for each event of that name. Returns what ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (payload: ClientEvents[Name]) => void): () => void {
    return this.#core.events.on(name, listener)
  }

  /** Connects, and stays connected until {@link disconnect} or {@link close}. */
  connect(): void {
    if (this.#core.closed) throw new ParleyClientError('CLOSED', 'The client is closed; make a new one.')
    this.#core.connection.start()
  }

  /** Goes offline until the next {@link connect}. What is sent meanwhile waits. */
  disconnect(): void {
    this.#core.connection.stop()
  }

  /** Tries to connect now, where the client waits to: the network is said to be back (`window.ononline`). */
  reconnectNow(): void {
    this.#core.connection.hurry()
  }

  /** Ends everything. Messages that are kept in a storage go out with the next client of this person. */
  close(): void {
    this.#core.close()
  }

  /** Resolves when the connection is live; rejects after `timeoutMs`, or when the client is closed. */
  whenLive(timeoutMs = 30_000): Promise<void> {
    return new Promise((resolve, reject) => {
      const check = () => {
        if (this.state.getSnapshot() !== 'live') return
        end()
        resolve()
      }
      const end = () => {
        clearTimeout(timer)
        stop()
      }
      const timer = setTimeout(() => {
        end()
        reject(new ParleyClientError('TIMEOUT', `The connection was not live within ${timeoutMs} ms.`))
      }, timeoutMs)
      const stop = this.on('state', check)
      check()
    })
  }

  /**
   * Sends a message. Resolves with it once it is durable, however long that takes; until then it is in the `pending` of
   * the conversation's store.
   * @throws {ParleyClientError} what trying again cannot mend (the content is too long, one is not in the conversation),
   * ABORTED when it was discarded, CLOSED when the client was closed first
   */
  send(conversationId: string, content: string, options: SendOptions = {}): Promise<Message> {
    const { type, attachmentIds, clientMessageId = crypto.randomUUID() } = options
    return this.#core.outbox.add({
      conversationId,
      content,
      clientMessageId,
      ...(type && { type }),
      ...(attachmentIds && { attachmentIds }),
    })
  }

  /** Messages that are not stored yet, in all conversations, failed ones included. */
  get pendingCount(): number {
    return this.#core.outbox.size
  }

  /** Sends a failed message again. */
  retry(clientMessageId: string): void {
    this.#core.outbox.retry(clientMessageId)
  }

  /** Gives up a message that is not under way. */
  discard(clientMessageId: string): void {
    this.#core.outbox.discard(clientMessageId)
  }

  /**
   * Sends a file with its message. Resolves with the message; the file is not kept for a later try.
   * @throws {ParleyClientError}
   */
  async sendFile(conversationId: string, file: File, options: UploadOptions = {}): Promise<Message> {
    const message = await upload(this.#core.http, conversationId, file, options)
    this.#core.inbox.onMessage(message)
    return message
  }

  /** A conversation's messages and those of one's own that wait. Somebody who subscribes loads the newest page. */
  messages(conversationId: string): Store<MessagesSnapshot> {
    const { inbox, outbox } = this.#core
    const timeline = inbox.timeline(conversationId, () => this.#core.load(conversationId))
    const known = this.#messages.get(conversationId)
    if (known !== undefined) return known
    const store = combine(timeline, outbox.pending(conversationId), (shown, pending) => ({ ...shown, pending }))
    this.#messages.set(conversationId, store)
    return store
  }

  /** Loads the newest page of a conversation where that has not been done; resolves when it is there. */
  async open(conversationId: string): Promise<Store<MessagesSnapshot>> {
    const store = this.messages(conversationId)
    if (this.#core.inbox.get(conversationId) === undefined) await this.fetchConversation(conversationId)
    await this.#core.pages.newest(conversationId)
    return store
  }

  /** Loads the page before the oldest message of the store. Nothing happens where there is none. */
  loadOlder(conversationId: string): Promise<void> {
    return this.#core.pages.older(conversationId)
  }

  /** Loads the page after the newest message of the store, where one has gone back far (`hasNewer`). */
  loadNewer(conversationId: string): Promise<void> {
    return this.#core.pages.newer(conversationId)
  }

  /** One conversation out of {@link conversations}. */
  conversation(conversationId: string): Conversation | undefined {
    return this.#core.inbox.get(conversationId)?.info
  }

  /** How far each member has read: seq by id of the person. See {@link readBy}. */
  receipts(conversationId: string): Store<ReadonlyMap<string, number>> {
    return this.#core.inbox.marks(conversationId)
  }

  /** Ids of those who have read a message, its sender first. */
  readBy(message: Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'readBy'>): string[] {
    const held = this.#core.inbox.get(message.conversationId)?.timeline.bySeq(message.seq)
    const readers = new Set([message.senderId, ...message.readBy, ...(held?.readBy ?? [])])
    return [...readers]
  }

  /** The others who are typing. Everybody's typing ends by itself after some seconds. */
  typing(conversationId: string): Store<readonly TypingPerson[]> {
    return this.#core.typing.in(conversationId)
  }

  /** Tells the others that one is typing. To be called with every key stroke. */
  startTyping(conversationId: string): void {
    this.#core.typing.start(conversationId)
  }

  /** Tells the others that one no longer types; sending does that by itself. */
  stopTyping(conversationId: string): void {
    this.#core.typing.stop(conversationId)
  }

  /** Everything up to this message, or to the newest one, is read. Marks close to each other are told as one. */
  markAsRead(conversationId: string, upTo?: Pick<Message, 'id' | 'seq'>): void {
    const room = this.#core.inbox.get(conversationId)
    const message = upTo ?? room?.info.lastMessage
    if (room === undefined || !message || message.seq <= room.info.lastReadSeq) return
    this.#core.readMarks.mark(conversationId, { messageId: message.id, seq: message.seq })
    room.mark(this.#core.userId ?? '', message.seq)
  }

  /** Whether the person looks at the application: pushes go to devices where they do not. */
  setVisibility(visible: boolean): void {
    this.#core.visible = visible
    this.#core.connection.tell('setVisibility', { visible })
  }

  /** Makes a conversation; a DIRECT one that exists already is that one. */
  async createConversation(input: {
    type: 'DIRECT' | 'GROUP'
    participantIds: readonly string[]
    name?: string
  }): Promise<Conversation> {
    const { data } = await this.#core.http.send<Conversation>('POST', CONVERSATIONS, { body: input })
    return this.#core.inbox.put(data).info
  }

  /** Fetches one conversation with all its people. */
  async fetchConversation(conversationId: string): Promise<Conversation> {
    const { data } = await this.#core.http.get<Conversation>(pathOf(conversationId))
    return this.#core.inbox.put(data).info
  }

  /** Names a group, or takes its name away. */
  async rename(conversationId: string, name: string | null): Promise<Conversation> {
    return this.#change('PATCH', conversationId, '', { name })
  }

  /** Puts people into a group. */
  async addParticipants(conversationId: string, userIds: readonly string[]): Promise<Conversation> {
    return this.#change('POST', conversationId, '/participants', { userIds })
  }

  /** Takes somebody out of a group; oneself, to leave it. */
  async removeParticipant(conversationId: string, userId: string): Promise<void> {
    await this.#core.http.send('DELETE', `${pathOf(conversationId)}/participants/${encodeURIComponent(userId)}`)
  }

  /** Silences a conversation's pushes until a moment; null lets them sound again. */
  async mute(conversationId: string, until: Date | null): Promise<void> {
    await this.#core.http.send('PUT', `${pathOf(conversationId)}/mute`, {
      body: { until: until?.toISOString() ?? null },
    })
  }

  /** Finds messages in one's conversations. */
  search(
    query: string,
    options: { conversationId?: string; page?: number; limit?: number } = {},
  ): Promise<Page<FoundMessage>> {
    return this.#page<FoundMessage>('/api/messages/search', { query, ...options })
  }

  /** Finds people by name. */
  searchUsers(search: string, options: { page?: number; limit?: number } = {}): Promise<Page<User>> {
    return this.#page<User>('/api/users', { search, ...options })
  }

  async #page<T>(path: string, query: Record<string, string | number>): Promise<Page<T>> {
    const { data, meta } = await this.#core.http.get<T[], Omit<Page<T>, 'data'>>(path, { query })
    return { data, page: meta.page, limit: meta.limit, total: meta.total }
  }

  async #change(method: string, conversationId: string, path: string, body: unknown): Promise<Conversation> {
    const { data } = await this.#core.http.send<Conversation>(method, pathOf(conversationId) + path, { body })
    return this.#core.inbox.put(data).info
  }
}

function pathOf(conversationId: string): string {
  return `${CONVERSATIONS}/${encodeURIComponent(conversationId)}`
}

/** A store of two; its snapshot is new when one of theirs is. */
function combine<A, B, T>(a: Store<A>, b: Store<B>, join: (a: A, b: B) => T): Store<T> {
  let last: { a: A; b: B; joined: T } | undefined
  return {
    getSnapshot: () => {
      const now = { a: a.getSnapshot(), b: b.getSnapshot() }
      if (last === undefined || last.a !== now.a || last.b !== now.b) last = { ...now, joined: join(now.a, now.b) }
      return last.joined
    },
    subscribe: (listener) => {
      const ends = [a.subscribe(listener), b.subscribe(listener)]
      return () => {
        for (const end of ends) end()
      }
    },
  }
}
