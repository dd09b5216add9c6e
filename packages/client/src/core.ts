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
 * Composes the parts of a client. `ParleyClient` (client.ts) is the public face of it.
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
  /** The value of `visible` that the handshake sent. */
  #helloVisible = true

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
      onLost: () => this.watched.loadAll(),
      onLeft: (conversationId) => {
        this.readMarks.forget(conversationId)
        this.events.emit('left', { conversationId })
      },
      // Presence is shown in small conversations only. One that has just outgrown the limit counts too: its members' presence
      // is no longer sent.
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
      send: (conversationId, messageId) => this.connection.call('markAsRead', { conversationId, messageId }),
      connected,
      onError,
    })
    this.connection = new Connection({
      url,
      tokens: this.tokens,
      ...(socketOptions && { socketOptions }),
      hello: () => {
        this.#helloVisible = this.visible
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
    // Older gateways ignore `visible` in the handshake and assume that everybody is looking.
    if (!this.visible || !this.#helloVisible) this.setVisibility(this.visible)
    // The server accepts only tokens with a subject, so the user id is known by now.
    await this.outbox.identify(this.#userId ?? '')
    this.outbox.flush()
    await this.#catchUp.sync()
    await this.#looks.twice()
    this.readMarks.flush()
    this.watched.loadAll()
  }

  #cameOnline(userId: string): void {
    this.presence.set(userId, true)
    // Possibly a late event about somebody who no longer shares a conversation: their going offline would never be reported.
    if (!this.inbox.hasPerson(userId)) this.#looks.peopleChanged()
  }

  #stopTimers(): void {
    this.#looks.stop()
    this.watched.stop()
  }

  /**
   * The first token fixes the client's user, for whom messages sent before there is a connection are kept. If another user
   * has signed in since (in another tab, say), their token is refused: nothing here is ever done as them.
   */
  #onToken(sub: string | undefined): void {
    if (sub === undefined) return
    this.#userId ??= sub
    if (sub !== this.#userId) {
      throw new ParleyClientError(
        'TOKEN_INVALID',
        "getToken returned another user's token; create a new client for them.",
      )
    }
    void this.outbox.identify(sub)
  }

  async #send(entry: OutboxEntry): Promise<Message> {
    const { conversationId, content, type, attachmentIds, clientMessageId } = entry
    // A gateway closes the connection on a payload above its limit, which would be retried for ever. Fail at once instead.
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

  /** Ignores events that this version does not know: a newer server may send them. */
  #onEvent(name: string, payload: unknown): void {
    if (!Object.hasOwn(this.#handlers, name)) return
    const handler = this.#handlers[name as keyof ServerEvents] as ((payload: unknown) => void) | undefined
    handler?.(payload)
  }

  #resync(): void {
    // Presence events were missed as well.
    const caughtUp = this.#catchUp.sync().then(() => this.#looks.twice())
    void this.connection.during(caughtUp)
  }
}
