import type { Conversation, Message, ServerEvents, SyncAnswer } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { CatchUp } from './catch-up.ts'
import { Connection, type ConnectionState } from './connection.ts'
import { Emitter } from './emitter.ts'
import { ParleyClientError } from './errors.ts'
import { HistoryPages } from './history.ts'
import { Http } from './http.ts'
import { Inbox } from './inbox.ts'
import { Outbox } from './outbox.ts'
import { Presence } from './presence.ts'
import { PresenceLooks } from './presence-looks.ts'
import { ReadMarks } from './read-marks.ts'
import { memoryStorage } from './storage/memory.ts'
import type { OutboxEntry } from './storage/types.ts'
import { TokenSource } from './token.ts'
import type { ClientEvents, ParleyClientOptions } from './types.ts'
import { Typing } from './typing.ts'
import { WatchedTimelines } from './watched.ts'

const WINDOW = 500
const KEPT_TIMELINES = 20
const CATCH_UP_LIMIT = 5_000

/**
 * The parts of a client and how they hang together. `ParleyClient` (client.ts) is what applications see of it.
 */
export class ClientCore {
  readonly events = new Emitter<ClientEvents>()
  readonly tokens: TokenSource
  readonly http: Http
  readonly connection: Connection
  readonly inbox: Inbox
  readonly pages: HistoryPages
  readonly watched: WatchedTimelines
  readonly outbox: Outbox
  readonly typing: Typing
  readonly presence: Presence
  readonly readMarks: ReadMarks
  readonly #looks: PresenceLooks
  readonly #catchUp: CatchUp
  readonly #closed = new AbortController()
  readonly #handlers: { readonly [Name in keyof ServerEvents]?: (payload: ServerEvents[Name]) => void } = {
    newMessage: (message) => this.inbox.onMessage(message),
    messageRead: (receipt) => this.inbox.onRead(receipt),
    conversationCreated: (conversation: Conversation) => void this.inbox.put(conversation),
    conversationUpdated: (update) => this.inbox.onUpdated(update),
    userTyping: ({ conversationId, ...person }) => this.typing.onTyping(conversationId, person),
    userStoppedTyping: ({ conversationId, userId }) => this.typing.onStopped(conversationId, userId),
    userOnline: ({ userId }) => this.#cameOnline(userId),
    userOffline: ({ userId, lastSeen }) => this.presence.set(userId, false, lastSeen),
    resync: () => this.#resync(),
  }
  #userId: string | undefined
  visible = true
  /** What the handshake said of that. */
  #saidVisible = true

  constructor(options: ParleyClientOptions) {
    const { url, getToken, socketOptions } = options
    const onError = (error: ParleyClientError) => this.events.emit('error', error)
    const connected = () => this.connection.connected
    const closed = this.#closed.signal
    this.tokens = new TokenSource(getToken, Date.now, (sub) => this.#onToken(sub))
    this.http = new Http({ url, tokens: this.tokens, fetch: options.fetch ?? fetch.bind(globalThis), closed })
    this.presence = new Presence(
      (...change) => this.inbox.setOnline(...change),
      (online) => this.inbox.setAllOnline(online),
    )
    this.#looks = new PresenceLooks({
      presence: this.presence,
      ask: () => this.connection.call<string[]>('getOnlineUsers', {}),
      connected,
      onError,
    })
    this.typing = new Typing((event, conversationId) => this.connection.tell(event, { conversationId }))
    this.inbox = new Inbox({
      userId: () => this.#userId ?? '',
      online: () => this.presence.online,
      windowSize: options.windowSize ?? WINDOW,
      onWatched: (conversationId) => this.watched.load(conversationId),
      onMessage: (message) => this.#delivered(message),
      onJoined: (conversation) => {
        this.events.emit('joined', conversation)
        this.watched.loadAll()
      },
      onLeft: (conversationId) => {
        this.readMarks.forget(conversationId)
        this.events.emit('left', { conversationId })
      },
      // Presence is shown in small conversations only: one that has just become too large was one, and its people are told no more.
      onPeople: (fewest) => fewest <= LIMITS.presenceGroupSize && this.#looks.peopleChanged(),
      onGap: (room) => this.#catchUp.gapSeen(room),
      onHole: () => this.#catchUp.holeSeen(),
    })
    this.pages = new HistoryPages(this.http, this.inbox)
    this.watched = new WatchedTimelines({
      inbox: this.inbox,
      pages: this.pages,
      keep: options.keptTimelines ?? KEPT_TIMELINES,
      connected,
      onError,
    })
    this.#catchUp = new CatchUp({
      http: this.http,
      inbox: this.inbox,
      call: (payload) => this.connection.call<SyncAnswer>('sync', payload),
      connected,
      limit: options.catchUpLimit ?? CATCH_UP_LIMIT,
      onSkipped: (skipped) => {
        this.events.emit('skipped', skipped)
        this.watched.loadAll()
      },
      onError,
    })
    this.outbox = new Outbox({
      storage: options.storage ?? memoryStorage(),
      send: (entry) => this.#send(entry),
      connected,
      onError,
    })
    this.readMarks = new ReadMarks({
      tell: (conversationId, messageId) => this.connection.call('markAsRead', { conversationId, messageId }),
      connected,
      onError,
    })
    this.connection = new Connection({
      url,
      tokens: this.tokens,
      ...(socketOptions && { socketOptions }),
      hello: () => {
        this.#saidVisible = this.visible
        return { visible: this.visible }
      },
      onState: (state) => this.#onState(state),
      onEvent: (name, payload) => this.#onEvent(name, payload),
      onConnect: () => this.#onConnect(),
      onError,
    })
  }

  get userId(): string | undefined {
    return this.#userId
  }

  close(): void {
    this.#closed.abort()
    this.connection.stop()
    this.#stopTimers()
    this.outbox.close()
    this.readMarks.stop()
    this.#catchUp.stop()
    this.typing.clear()
    this.events.clear()
  }

  /** Aborted when the client is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal
  }

  setVisibility(visible: boolean): void {
    this.visible = visible
    this.connection.tell('setVisibility', { visible })
  }

  async #onConnect(): Promise<void> {
    // A gateway of before the handshake said so takes everybody to be looking.
    if (!this.visible || !this.#saidVisible) this.setVisibility(this.visible)
    // Whom the server lets in has a token that names them.
    await this.outbox.identify(this.#userId ?? '')
    this.outbox.flush()
    await this.#catchUp.sync()
    await this.#looks.twice()
    this.readMarks.flush()
    this.watched.loadAll()
  }

  #cameOnline(userId: string): void {
    this.presence.set(userId, true)
    // Told late, perhaps, of somebody with whom one shares no conversation any more: nobody would tell of their going.
    if (!this.inbox.hasPerson(userId)) this.#looks.peopleChanged()
  }

  #stopTimers(): void {
    this.#looks.stop()
    this.watched.stop()
  }

  /**
   * The first token says whose client this is: what is sent before there is a connection is kept for them. Another person may
   * have signed in since (in another tab, say): nothing that is done here is done as them.
   */
  #onToken(sub: string | undefined): void {
    if (sub === undefined) return
    this.#userId ??= sub
    if (sub !== this.#userId) {
      throw new ParleyClientError(
        'TOKEN_INVALID',
        'getToken gave the token of another person; make a new client for them.',
      )
    }
    void this.outbox.identify(sub)
  }

  async #send(entry: OutboxEntry): Promise<Message> {
    const { conversationId, content, type, attachmentIds, clientMessageId } = entry
    // A gateway closes the connection on what is larger than it reads: that would never end. Nor would what fails here.
    if (typeof content !== 'string' || content.length > LIMITS.contentLength) {
      throw new ParleyClientError('VALIDATION_FAILED', `content: text, at most ${LIMITS.contentLength} UTF-16 units.`)
    }
    const message = await this.connection.call<Message>('sendMessage', {
      conversationId,
      content,
      clientMessageId,
      ...(type && { type }),
      ...(attachmentIds && { attachments: attachmentIds.map((id) => ({ id })) }),
    })
    this.typing.sent(conversationId)
    this.inbox.onMessage(message)
    return message
  }

  #delivered(message: Message): void {
    this.typing.onStopped(message.conversationId, message.senderId)
    this.events.emit('message', message)
  }

  #onState(state: ConnectionState): void {
    if (state === 'offline') {
      this.#stopTimers()
      this.#catchUp.stop()
      this.typing.clear()
    }
    this.events.emit('state', state)
  }

  /** Events that this version does not know are for later ones. */
  #onEvent(name: string, payload: unknown): void {
    if (!Object.hasOwn(this.#handlers, name)) return
    const handler = this.#handlers[name as keyof ServerEvents] as ((payload: unknown) => void) | undefined
    handler?.(payload)
  }

  #resync(): void {
    // Comings and goings went past as well.
    const caughtUp = this.#catchUp.sync().then(() => this.#looks.twice())
    void this.connection.during(caughtUp)
  }
}
