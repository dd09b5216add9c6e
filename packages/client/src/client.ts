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
export class ParleyClient extends ServerRequests {
  readonly #messages = new Map<string, Store<MessagesSnapshot>>()
  readonly #uploads: Uploads
  /** The connection's state. */
  readonly state: Store<ConnectionState>
  /** All conversations, newest activity first. */
  readonly conversations: Store<readonly Conversation[]>
  /** Unread messages in all conversations together. */
  readonly unread: Store<number>
  /** Ids of the people who are online, among those one shares conversations with. */
  readonly presence: Store<ReadonlySet<string>>

  /**
   * Nothing is asked of anybody before {@link connect}.
   * @throws {TypeError} where `url` is not the address of a server
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

  /** The person's id; undefined until there has been a token. */
  get userId(): string | undefined {
    return this.core.userId
  }

  /** Calls `listener` for each event of that name. Returns what ends it. */
  on<Name extends keyof ClientEvents>(name: Name, listener: (payload: ClientEvents[Name]) => void): () => void {
    return this.core.events.on(name, listener)
  }

  /**
   * Connects, and stays connected until {@link disconnect} or {@link close}. What goes wrong on the way is told by `error`
   * events.
   * @throws {ParleyClientError} CLOSED
   */
  connect(): void {
    if (this.core.closed.aborted) throw new ParleyClientError('CLOSED', 'The client is closed; make a new one.')
    this.core.connection.start()
  }

  /** Goes offline until the next {@link connect}. What is sent meanwhile waits. */
  disconnect(): void {
    this.core.connection.stop()
  }

  /** Tries to connect now, where the client waits to: the network is said to be back (`window.ononline`). */
  reconnectNow(): void {
    this.core.connection.hurry()
  }

  /** Ends everything. Messages that are kept in a storage go out with the next client of this person. */
  close(): void {
    this.core.close()
  }

  /**
   * Resolves when the connection is live.
   * @throws {ParleyClientError} TIMEOUT after `timeoutMs`, its `cause` what went wrong last; CLOSED when the client is closed
   */
  whenLive(timeoutMs = 30_000): Promise<void> {
    return whenLive(this, this.core.closed, timeoutMs)
  }

  /**
   * Sends a message. Resolves with it once it is durable, however long that takes; until then it is in the `pending` of
   * the conversation's store.
   * @throws {ParleyClientError} what trying again cannot mend (the content is too long, one is not in the conversation),
   * ABORTED when it was discarded, CLOSED when the client was closed first
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

  /** Messages that are not stored yet, in all conversations, failed ones included. */
  get pendingCount(): number {
    return this.core.outbox.size
  }

  /**
   * Sends a failed message again; nothing happens where there is none of that id. The promise that `send` gave is over: the
   * store shows how it goes.
   */
  retry(clientMessageId: string): void {
    this.core.outbox.retry(clientMessageId)
  }

  /** Gives up a message that is not under way; `send` rejects with ABORTED. One that is under way stays. */
  discard(clientMessageId: string): void {
    this.core.outbox.discard(clientMessageId)
  }

  /**
   * Sends a file with its message; a large one goes straight into the store, in parts, where the browser lets it. The file
   * itself is not kept for another try after a reload.
   * @throws {ParleyClientError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, UPLOAD_BLOCKED, ABORTED by the signal, NETWORK and the
   * like after some tries, and what `send` throws
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
   * Puts a file into the store, for a message to name in its `attachmentIds`: so one message has several, ten at most. What
   * no message names within a day is removed.
   * @throws {ParleyClientError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, CONVERSATION_NOT_FOUND, UPLOAD_BLOCKED, ABORTED by the
   * signal, NETWORK and the like after some tries
   */
  upload(conversationId: string, file: File, options: UploadOptions = {}): Promise<Attachment> {
    return this.#uploads.upload(conversationId, file, options)
  }

  /** A conversation's messages and those of one's own that wait. Somebody who subscribes loads the newest page. */
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
   * Loads the newest page of a conversation where that has not been done; resolves when it is there.
   * @throws {ParleyClientError} CONVERSATION_NOT_FOUND, or NETWORK and the like
   */
  async open(conversationId: string): Promise<Store<MessagesSnapshot>> {
    const store = await this.#begin(conversationId)
    await this.core.pages.newest(conversationId)
    return store
  }

  /**
   * Shows a conversation at one of its messages, wherever in its history that is: the store then holds a page around it,
   * with `hasOlder` and `hasNewer` as they are there. {@link open} goes back to the newest.
   * @throws {ParleyClientError} as {@link open}
   */
  async openAt(conversationId: string, seq: number): Promise<Store<MessagesSnapshot>> {
    const store = await this.#begin(conversationId)
    await this.core.pages.around(conversationId, seq)
    return store
  }

  /** The store of a conversation that is known by then. */
  async #begin(conversationId: string): Promise<Store<MessagesSnapshot>> {
    const store = this.messages(conversationId)
    this.core.watched.trim()
    if (this.core.inbox.get(conversationId) === undefined) await this.fetchConversation(conversationId)
    return store
  }

  /** Fetches a message of the store anew, for fresh addresses of its attachments. @throws {ParleyClientError} as {@link open} */
  refreshMessage({ conversationId, seq }: Pick<Message, 'conversationId' | 'seq'>): Promise<void> {
    return this.core.pages.refresh(conversationId, seq)
  }

  /**
   * Loads the page before the oldest message of the store. Nothing happens where there is none.
   * @throws {ParleyClientError} as {@link open}
   */
  loadOlder(conversationId: string): Promise<void> {
    return this.core.pages.older(conversationId)
  }

  /**
   * Loads the page after the newest message of the store, where one has gone back far (`hasNewer`).
   * @throws {ParleyClientError} as {@link open}
   */
  loadNewer(conversationId: string): Promise<void> {
    return this.core.pages.newer(conversationId)
  }

  /** One conversation out of {@link conversations}; undefined where it is not among them. */
  conversation(conversationId: string): Conversation | undefined {
    return this.core.inbox.get(conversationId)?.info
  }

  /** How far each member has read: seq by id of the person. See {@link readBy}. */
  receipts(conversationId: string): Store<ReadonlyMap<string, number>> {
    return this.core.inbox.marks.of(conversationId)
  }

  /** Ids of those who have read a message, its sender first. */
  readBy(message: Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'readBy'>): string[] {
    const timeline = this.core.inbox.get(message.conversationId)?.timeline
    return [...new Set([message.senderId, ...(timeline?.readBy(message) ?? message.readBy)])]
  }

  /** The others who are typing. Everybody's typing ends by itself after some seconds. */
  typing(conversationId: string): Store<readonly TypingPerson[]> {
    return this.core.typing.in(conversationId)
  }

  /** Tells the others that one is typing. To be called with every key stroke. */
  startTyping(conversationId: string): void {
    this.core.typing.start(conversationId)
  }

  /** Tells the others that one no longer types; sending does that by itself. */
  stopTyping(conversationId: string): void {
    this.core.typing.stop(conversationId)
  }

  /** Everything up to this message, or to the newest one, is read. Marks close to each other are told as one. */
  markAsRead(conversationId: string, upTo?: Pick<Message, 'id' | 'seq'>): void {
    const room = this.core.inbox.get(conversationId)
    const message = upTo ?? room?.info.lastMessage
    if (room === undefined || !message || message.seq <= room.info.lastReadSeq) return
    this.core.readMarks.mark(conversationId, { messageId: message.id, seq: message.seq })
    room.mark(this.core.userId ?? '', message.seq)
  }

  /** Whether the person looks at the application: pushes go to devices where they do not. */
  setVisibility(visible: boolean): void {
    this.core.setVisibility(visible)
  }
}

/** What follows the host would be a namespace to Socket.IO, and nothing at all to HTTP. */
function requireAddress(url: string): void {
  const address = URL.canParse(url) ? new URL(url) : undefined
  if (address !== undefined && /^https?:$/.test(address.protocol) && address.href === `${address.origin}/`) return
  throw new TypeError(`url is the cluster's address without a path, such as https://chat.example.com, not ${url}`)
}
