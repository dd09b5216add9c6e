import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Conversation,
  type ConversationType,
  ERRORS,
  type ErrorBody,
  type Message,
  type SyncAnswer,
  type SyncRequest,
  type User,
} from '@parley/protocol'
import { Rerun } from '@parley/runtime/rerun'
import { noAnswer, within } from '@parley/runtime/within'
import type { Reply } from '@parley/testkit'
import { io, type Socket } from 'socket.io-client'
import { Absences, type OfflineNotice } from './absences.ts'
import type { Acked, Arrival, ChaosClient, Seen, View } from './client.ts'
import { Ledger } from './ledger.ts'
import { RawRequests, Refusal } from './raw-requests.ts'
import { Transcript } from './transcript.ts'

export interface RawClientOptions {
  url: string
  user: User
  getToken: () => string
  transports: ('websocket' | 'polling')[]
  /** Sends and read marks go over HTTP rather than over the socket. */
  posts: boolean
}

const CONNECT_BOUND_MS = 20_000
const ANSWER_BOUND_MS = 4_000
const RETRY_MS = 250
/** A token that was made within the second of a revocation does not count. */
const NEW_TOKEN_MS = 1_000
/** Between two syncs for what events tell. */
const SYNC_PAUSE_MS = 500
/** After so many unanswered sends in a row a connection is taken for dead and opened anew. */
const SILENT_SENDS = 2
/** Events that tell of what is no message; a sync says what holds now. */
const NEWS = ['conversationCreated', 'conversationUpdated', 'messageRead']

/**
 * A stock socket.io-client with the least that a careful product would add: retry, fresh tokens, a sync where something but
 * messages has changed, and history after a gap.
 */
export class RawClient implements ChaosClient {
  readonly user: User
  readonly complaints: string[] = []
  readonly arrivals: Arrival[] = []
  readonly delivered = new Map<string, readonly Seen[]>()
  readonly offlineNotices: OfflineNotice[] = []
  readonly #absences = new Absences()
  readonly #posts: boolean
  readonly #requests: RawRequests
  readonly #socket: Socket
  readonly #ledger: Ledger
  readonly #transcripts = new Map<string, Transcript>()
  readonly #filling = new Map<string, Rerun>()
  readonly #sync = new Rerun(() => this.#syncAll())
  #silent = 0
  #connects = 0
  #heardAt = 0
  #stopped = false

  constructor({ url, user, getToken, transports, posts }: RawClientOptions) {
    this.user = user
    this.#posts = posts
    this.#requests = new RawRequests(url, getToken)
    this.#ledger = new Ledger(user.id)
    this.#socket = io(url, {
      auth: (tell) => tell({ token: getToken() }),
      transports,
      forceNew: true,
      autoConnect: false,
      reconnectionDelayMax: 2_000,
    })
    this.#listen()
  }

  #listen(): void {
    const socket = this.#socket
    socket.on('connect', () => {
      this.#connects++
      // What the connection before left unanswered says nothing of this one.
      this.#silent = 0
      this.#absences.note(true, 'connect')
      this.#catchUp()
    })
    socket.on('disconnect', (reason) => this.#absences.note(false, reason))
    socket.onAny(() => {
      this.#heardAt = performance.now()
    })
    socket.on('resync', () => this.#catchUp())
    socket.on('newMessage', (message: Message) => {
      if (!this.#accept(message)) this.#fill(message.conversationId)
    })
    // Whoever is put back may lack what was written without them.
    socket.on('conversationCreated', ({ id }: Conversation) => this.#fill(id))
    for (const event of NEWS) socket.on(event, () => this.#sync.ask())
    socket.on('userOffline', ({ userId }: { userId: string }) => {
      this.offlineNotices.push({ userId, at: performance.now() })
    })
    socket.on('exception', ({ error }: { error: ErrorBody }) => {
      if (error.code !== 'TOKEN_INVALID') this.complaints.push(`exception ${JSON.stringify(error)}`)
    })
    // A refusal is final for a stock client; one that is only away comes as a transport error, which is not.
    socket.on('connect_error', (error: Error & { data?: { code: string } }) => {
      if (error.data?.code === 'TOKEN_INVALID') setTimeout(() => this.#stopped || socket.connect(), NEW_TOKEN_MS)
      else if (error.data !== undefined) this.complaints.push(`refused: ${error.message}`)
    })
  }

  async start(): Promise<void> {
    const connected = new Promise<void>((resolve) => this.#socket.once('connect', resolve))
    this.#socket.connect()
    await within(CONNECT_BOUND_MS, connected, noAnswer(`${this.user.fullName}'s gateway`, CONNECT_BOUND_MS))
    await this.#sync.ended
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#socket.disconnect()
    await Promise.all([this.#sync, ...this.#filling.values()].map(({ ended }) => ended))
  }

  get absences() {
    return this.#absences.all
  }

  describe(): string {
    const transport = this.#socket.io.opts.transports?.join()
    const connection = this.#socket.connected ? `connected ${this.#connects} times` : 'not connected'
    const quiet = Math.round((performance.now() - this.#heardAt) / 1_000)
    const busy = [...this.#filling.values()].filter(({ underWay }) => underWay).length
    const fetching = busy > 0 ? `, fetching in ${busy}` : ''
    return `${transport}${this.#posts ? ' and HTTP' : ''}, ${connection}, heard something ${quiet} s ago${fetching}`
  }

  async send(conversationId: string, content: string): Promise<Acked> {
    const body = { content, type: 'TEXT', clientMessageId: randomUUID() }
    while (!this.#stopped) {
      const answer = await (this.#posts ? this.#requests.post(conversationId, body) : this.#emit(conversationId, body))
      if (answer?.success) {
        const { id, seq, senderId } = answer.data
        return { conversationId, senderId, content, id, seq }
      }
      const error: ErrorBody | undefined = answer?.error
      const mends = error === undefined || error.code === 'TOKEN_INVALID' || ERRORS[error.code]?.retry
      if (!mends) throw new Refusal(error)
      await delay(error?.retryAfterMs ?? RETRY_MS)
    }
    throw new Error('the client was stopped')
  }

  async read(conversationId: string): Promise<void> {
    const messageId = this.delivered.get(conversationId)?.at(-1)?.id
    if (messageId === undefined || !this.#socket.connected) return
    await (this.#posts
      ? this.#requests.read(conversationId, messageId)
      : this.#ask('markAsRead', { conversationId, messageId })
    ).catch(() => undefined)
  }

  create(type: ConversationType, participantIds: readonly string[]): Promise<void> {
    return this.#requests.create(type, participantIds)
  }

  rename(conversationId: string, name: string): Promise<void> {
    return this.#requests.rename(conversationId, name)
  }

  add(conversationId: string, userIds: readonly string[]): Promise<void> {
    return this.#requests.add(conversationId, userIds)
  }

  remove(conversationId: string, userId: string): Promise<void> {
    return this.#requests.remove(conversationId, userId)
  }

  views(): ReadonlyMap<string, View> {
    return this.#ledger.views()
  }

  async online(): Promise<Set<string> | null> {
    if (!this.#socket.connected) return null
    const answer = await this.#ask<string[]>('getOnlineUsers', {}).catch(() => null)
    return answer?.success ? new Set(answer.data) : null
  }

  #ask<T>(event: string, payload: object): Promise<Reply<T>> {
    return this.#socket.timeout(ANSWER_BOUND_MS).emitWithAck(event, payload)
  }

  /** Undefined where there was no answer: then nobody knows whether the message was stored. */
  async #emit(conversationId: string, body: object): Promise<Reply<Message> | undefined> {
    if (!this.#socket.connected) return undefined
    try {
      const answer = await this.#ask<Message>('sendMessage', { ...body, conversationId })
      this.#silent = 0
      return answer
    } catch {
      if (this.#socket.connected && ++this.#silent >= SILENT_SENDS) {
        this.#silent = 0
        this.#socket.io.engine.close()
      }
      return undefined
    }
  }

  /** @returns false when something before it is missing */
  #accept(message: Message): boolean {
    const { conversationId, seq } = message
    this.arrivals.push({ conversationId, seq, at: Date.now() })
    if (!this.#ledger.saw(message)) this.#sync.ask()
    return this.#transcript(conversationId).accept(message)
  }

  #transcript(conversationId: string): Transcript {
    let transcript = this.#transcripts.get(conversationId)
    if (transcript === undefined) {
      transcript = new Transcript((complaint) => this.complaints.push(`${conversationId}: ${complaint}`))
      this.#transcripts.set(conversationId, transcript)
      this.delivered.set(conversationId, transcript.delivered)
    }
    return transcript
  }

  /** Whatever has been missed: what changed, and the messages of all conversations. */
  #catchUp(): void {
    this.#sync.ask()
    for (const id of this.#ledger.ids) this.#fill(id)
  }

  /** An event that has no answer is asked again while there is a connection; the next one syncs by itself. */
  async #syncAll(): Promise<void> {
    for (let after: string | null = null, hasMore = true; hasMore && this.#socket.connected; ) {
      const payload: SyncRequest = { conversations: this.#ledger.known, after }
      const answer: Reply<SyncAnswer> | undefined = await this.#ask<SyncAnswer>('sync', payload).catch(() => undefined)
      if (answer?.success) {
        for (const id of this.#ledger.apply(answer.data)) this.#fill(id)
        ;({ after, hasMore } = answer.data)
      }
      await delay(SYNC_PAUSE_MS)
    }
  }

  #fill(conversationId: string): void {
    let filling = this.#filling.get(conversationId)
    if (filling === undefined) {
      filling = new Rerun(() => this.#fetchMissing(conversationId))
      this.#filling.set(conversationId, filling)
    }
    filling.ask()
  }

  async #fetchMissing(conversationId: string): Promise<void> {
    while (!this.#stopped) {
      const page = await this.#requests.after(conversationId, this.#transcript(conversationId).last)
      // No longer in it.
      if (page === null) return
      for (const message of page?.messages ?? []) this.#accept(message)
      if (page?.hasMore === false) return
      if (page === undefined) await delay(RETRY_MS)
    }
  }
}
