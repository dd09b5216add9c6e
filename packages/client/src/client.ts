import type { Attachment, Conversation, Message } from '@parley/protocol'
import type { ConnectionState } from './connection.ts'
import { ClientCore } from './core.ts'
import { ParleyClientError } from './errors.ts'
import { randomId } from './random-id.ts'
import { ServerRequests } from './requests.ts'
import { combine, LazyStore, type Store } from './store.ts'
import type { ClientEvents, MessagesSnapshot, ParleyClientOptions, SendOptions } from './types.ts'
import type { TypingPerson } from './typing.ts'
import { type SendFileOptions, type UploadOptions, Uploads } from './upload.ts'
import { whenLive } from './when-live.ts'

/**
 * A user's connection to a Parley cluster.
 *
 *     const client = new ParleyClient({ url, getToken })
 *     client.on('message', (message) => show(message))
 *     client.connect()
 *     await client.send(conversationId, 'Hello')
 *
 * It reconnects automatically, fetches what it missed, delivers each message exactly once and in order, and holds outgoing
 * messages until the server has stored them.
 */
export class ParleyClient extends ServerRequests {
  readonly #messages = new Map<string, Store<MessagesSnapshot>>()
  readonly #uploads: Uploads
  /** The connection's state. */
  readonly state: Store<ConnectionState>
  /** All conversations, newest activity first. */
  readonly conversations: Store<readonly Conversation[]>
  /** Total number of unread messages across all conversations. */
  readonly unread: Store<number>
  /** Ids of the online users among those who share a conversation with this user. */
  readonly presence: Store<ReadonlySet<string>>

  /**
   * Makes no request before {@link connect}.
   * @throws {TypeError} if `url` is not a server's origin
   */
  constructor(options: ParleyClientOptions) {
    requireAddress(options.url)
    const core = new ClientCore(options)
    const state = new LazyStore(() => core.connection.state)
    core.events.on('state', () => state.invalidate())
    super(core)
    this.#uploads = new Uploads(core.http)
    this.state = state
    this.conversations = core.inbox.conversations
    this.unread = core.inbox.unread
    this.presence = core.presence.store
  }

  /** The user's id; undefined until the first token has been received. */
  get userId(): string | undefined {
    return this.core.userId
  }

  /** Calls `listener` for each event of that name. Returns a function that unsubscribes it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (payload: ClientEvents[Name]) => void): () => void {
    return this.core.events.on(name, listener)
  }

  /**
   * Connects, and stays connected until {@link disconnect} or {@link close}. Failures along the way are reported by `error`
   * events.
   * @throws {ParleyClientError} CLOSED
   */
  connect(): void {
    if (this.core.closed.aborted) throw new ParleyClientError('CLOSED', 'The client is closed; make a new one.')
    this.core.connection.start()
  }

  /** Goes offline until the next {@link connect}. Messages sent in the meantime are queued. */
  disconnect(): void {
    this.core.connection.stop()
  }

  /** Skips the current reconnect delay, for when the network is reported to be back (`window.ononline`). */
  reconnectNow(): void {
    this.core.connection.hurry()
  }

  /** Closes the client for good. Messages kept in a storage are sent by this user's next client. */
  close(): void {
    this.core.close()
  }

  /**
   * Resolves when the connection is live.
   * @throws {ParleyClientError} TIMEOUT after `timeoutMs`, with the most recent error as its `cause`; CLOSED when the client
   * is closed
   */
  whenLive(timeoutMs = 30_000): Promise<void> {
    return whenLive(this, this.core.closed, timeoutMs)
  }

  /**
   * Sends a message. Resolves with it once it is durable, however long that takes; until then it is listed in `pending` of
   * the conversation's store.
   * @throws {ParleyClientError} any error that a retry cannot fix (the content is too long, the user is not in the
   * conversation), ABORTED if the message is discarded, CLOSED if the client is closed first
   */
  send(conversationId: string, content: string, options: SendOptions = {}): Promise<Message> {
    const { type, attachmentIds, clientMessageId = randomId() } = options
    return this.core.outbox.add({
      conversationId,
      content,
      clientMessageId,
      ...(type && { type }),
      ...(attachmentIds && { attachmentIds }),
    })
  }

  /** Number of messages not stored yet, across all conversations, failed ones included. */
  get pendingCount(): number {
    return this.core.outbox.size
  }

  /**
   * Sends a failed message again; does nothing if there is none with that id. The promise returned by `send` has already
   * been rejected, so progress shows in the conversation's store only.
   */
  retry(clientMessageId: string): void {
    this.core.outbox.retry(clientMessageId)
  }

  /** Drops a queued or failed message; its `send` rejects with ABORTED. Does nothing while the message is being sent. */
  discard(clientMessageId: string): void {
    this.core.outbox.discard(clientMessageId)
  }

  /**
   * Sends a file with its message. A large file is uploaded directly to object storage, in parts, where the browser allows
   * it. The file itself does not survive a reload.
   * @throws {ParleyClientError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, UPLOAD_BLOCKED, ABORTED by the signal, NETWORK and
   * similar errors after some retries, and what `send` throws
   */
  async sendFile(conversationId: string, file: File, options: SendFileOptions = {}): Promise<Message> {
    const { content = '', type, clientMessageId } = options
    const delivered = await this.#uploads.deliver(conversationId, file, options)
    if ('message' in delivered) {
      this.core.inbox.onMessage(delivered.message)
      return delivered.message
    }
    const chosen = { ...(type && { type }), ...(clientMessageId && { clientMessageId }) }
    return this.send(conversationId, content, { attachmentIds: [delivered.attachment.id], ...chosen })
  }

  /**
   * Uploads a file to object storage, for a message to reference in its `attachmentIds` (at most ten per message). A file
   * that no message references within a day is removed.
   * @throws {ParleyClientError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, CONVERSATION_NOT_FOUND, UPLOAD_BLOCKED, ABORTED by the
   * signal, NETWORK and similar errors after some retries
   */
  upload(conversationId: string, file: File, options: UploadOptions = {}): Promise<Attachment> {
    return this.#uploads.upload(conversationId, file, options)
  }

  /** A conversation's messages and the user's own pending ones. The first subscriber triggers loading of the newest page. */
  messages(conversationId: string): Store<MessagesSnapshot> {
    const { inbox, outbox } = this.core
    const timeline = inbox.timelines.of(conversationId)
    const known = this.#messages.get(conversationId)
    if (known !== undefined) return known
    const store = combine(timeline, outbox.pending(conversationId), (shown, pending) => ({ ...shown, pending }))
    this.#messages.set(conversationId, store)
    return store
  }

  /**
   * Loads the newest page of a conversation unless it is loaded already; resolves when it is available.
   * @throws {ParleyClientError} CONVERSATION_NOT_FOUND, NETWORK and similar errors
   */
  async open(conversationId: string): Promise<Store<MessagesSnapshot>> {
    const store = await this.#begin(conversationId)
    await this.core.pages.newest(conversationId)
    return store
  }

  /**
   * Loads the page around one message, however far back in the history, in place of the one shown: `hasOlder` and
   * `hasNewer` of the store then refer to that page. {@link open} returns to the newest page.
   * @throws {ParleyClientError} as {@link open}
   */
  async openAt(conversationId: string, seq: number): Promise<Store<MessagesSnapshot>> {
    const store = await this.#begin(conversationId)
    await this.core.pages.around(conversationId, seq)
    return store
  }

  /** Returns a conversation's store, after fetching the conversation if it is not known yet. */
  async #begin(conversationId: string): Promise<Store<MessagesSnapshot>> {
    const store = this.messages(conversationId)
    this.core.watched.trim()
    if (this.core.inbox.get(conversationId) === undefined) await this.fetchConversation(conversationId)
    return store
  }

  /** Refetches a loaded message, for fresh attachment URLs. @throws {ParleyClientError} as {@link open} */
  refreshMessage({ conversationId, seq }: Pick<Message, 'conversationId' | 'seq'>): Promise<void> {
    return this.core.pages.refresh(conversationId, seq)
  }

  /**
   * Loads the page before the oldest loaded message. Does nothing if there is none.
   * @throws {ParleyClientError} as {@link open}
   */
  loadOlder(conversationId: string): Promise<void> {
    return this.core.pages.older(conversationId)
  }

  /**
   * Loads the page after the newest loaded message, if there are newer ones (`hasNewer`).
   * @throws {ParleyClientError} as {@link open}
   */
  loadNewer(conversationId: string): Promise<void> {
    return this.core.pages.newer(conversationId)
  }

  /** Returns one of the {@link conversations}; undefined if it is not among them. */
  conversation(conversationId: string): Conversation | undefined {
    return this.core.inbox.get(conversationId)?.info
  }

  /** How far each member has read: seq by user id. See {@link readBy}. */
  receipts(conversationId: string): Store<ReadonlyMap<string, number>> {
    return this.core.inbox.marks.of(conversationId)
  }

  /** Returns the ids of the users who have read a message, its sender first. */
  readBy(message: Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'readBy'>): string[] {
    const timeline = this.core.inbox.get(message.conversationId)?.timeline
    return [...new Set([message.senderId, ...(timeline?.readBy(message) ?? message.readBy)])]
  }

  /** The other users who are typing. Each entry expires by itself after a few seconds. */
  typing(conversationId: string): Store<readonly TypingPerson[]> {
    return this.core.typing.in(conversationId)
  }

  /** Tells the others that the user is typing. Call it on every keystroke; it is throttled. */
  startTyping(conversationId: string): void {
    this.core.typing.start(conversationId)
  }

  /** Tells the others that the user has stopped typing. Sending a message implies it. */
  stopTyping(conversationId: string): void {
    this.core.typing.stop(conversationId)
  }

  /** Marks everything up to this message, or up to the newest one, as read. Marks in quick succession are sent as one. */
  markAsRead(conversationId: string, upTo?: Pick<Message, 'id' | 'seq'>): void {
    const room = this.core.inbox.get(conversationId)
    const message = upTo ?? room?.info.lastMessage
    if (room === undefined || !message || message.seq <= room.info.lastReadSeq) return
    this.core.readMarks.mark(conversationId, { messageId: message.id, seq: message.seq })
    room.mark(this.core.userId ?? '', message.seq)
  }

  /** Sets whether the user is looking at the application: pushes go to devices where they are not. */
  setVisibility(visible: boolean): void {
    this.core.setVisibility(visible)
  }
}

/** Socket.IO would take a path after the host for a namespace, and HTTP requests would ignore it: refused instead. */
function requireAddress(url: string): void {
  const address = URL.canParse(url) ? new URL(url) : undefined
  if (address !== undefined && /^https?:$/.test(address.protocol) && address.href === `${address.origin}/`) return
  throw new TypeError(`url is the cluster's address without a path, such as https://chat.example.com, not ${url}`)
}
