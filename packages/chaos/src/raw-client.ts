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
  /** Whether sends and read marks go over HTTP instead of the socket. */
  usesHttp: boolean
}

const CONNECT_BOUND_MS = 20_000
const ANSWER_BOUND_MS = 4_000
const RETRY_MS = 250
/** A token issued in the same second as a revocation is not valid. */
const NEW_TOKEN_MS = 1_000
/** The pause between two syncs triggered by events. */
const SYNC_PAUSE_MS = 500
/** After this many consecutive unanswered sends, a connection is considered dead and replaced. */
const SILENT_SENDS = 2
/** Events about changes other than messages; a sync returns the current state. */
const CHANGE_EVENTS = ['conversationCreated', 'conversationUpdated', 'messageRead']

/**
 * The standard socket.io-client with the minimum that a careful product would add: retries, fresh tokens, a sync after changes
 * other than messages, and history after a gap.
 */
export class RawClient implements ChaosClient {
  readonly user: User
  readonly complaints: string[] = []
  readonly arrivals: Arrival[] = []
  readonly delivered = new Map<string, readonly Seen[]>()
  readonly offlineNotices: OfflineNotice[] = []
  readonly #absences = new Absences()
  readonly #usesHttp: boolean
  readonly #requests: RawRequests
  readonly #socket: Socket
  readonly #ledger: Ledger
  readonly #transcripts = new Map<string, Transcript>()
  readonly #filling = new Map<string, Rerun>()
  readonly #sync = new Rerun(() => this.#syncAll())
  #unanswered = 0
  #connects = 0
  #heardAt = 0
  #stopped = false

  constructor({ url, user, getToken, transports, usesHttp }: RawClientOptions) {
    this.user = user
    this.#usesHttp = usesHttp
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
      // Unanswered sends on the previous connection say nothing about this one.
      this.#unanswered = 0
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
    // A person who is added again may lack what was written in their absence.
    socket.on('conversationCreated', ({ id }: Conversation) => this.#fill(id))
    for (const event of CHANGE_EVENTS) socket.on(event, () => this.#sync.ask())
    socket.on('userOffline', ({ userId }: { userId: string }) => {
      this.offlineNotices.push({ userId, at: performance.now() })
    })
    socket.on('exception', ({ error }: { error: ErrorBody }) => {
      if (error.code !== 'TOKEN_INVALID') this.complaints.push(`exception ${JSON.stringify(error)}`)
    })
    // A standard client treats a server's refusal as final; a server that is away causes a transport error, which is not.
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
    return `${transport}${this.#usesHttp ? ' and HTTP' : ''}, ${connection}, last event ${quiet} s ago${fetching}`
  }

  async send(conversationId: string, content: string): Promise<Acked> {
    const body = { content, type: 'TEXT', clientMessageId: randomUUID() }
    while (!this.#stopped) {
      const answer = await (this.#usesHttp
        ? this.#requests.post(conversationId, body)
        : this.#emit(conversationId, body))
      if (answer?.success) {
        const { id, seq, senderId } = answer.data
        return { conversationId, senderId, content, id, seq }
      }
      const error: ErrorBody | undefined = answer?.error
      const isRetryable = error === undefined || error.code === 'TOKEN_INVALID' || ERRORS[error.code]?.retry
      if (!isRetryable) throw new Refusal(error)
      await delay(error?.retryAfterMs ?? RETRY_MS)
    }
    throw new Error('the client was stopped')
  }

  async read(conversationId: string): Promise<void> {
    const messageId = this.delivered.get(conversationId)?.at(-1)?.id
    if (messageId === undefined || !this.#socket.connected) return
    await (this.#usesHttp
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

  /** Undefined without an answer: the message may have been stored or not. */
  async #emit(conversationId: string, body: object): Promise<Reply<Message> | undefined> {
    if (!this.#socket.connected) return undefined
    try {
      const answer = await this.#ask<Message>('sendMessage', { ...body, conversationId })
      this.#unanswered = 0
      return answer
    } catch {
      if (this.#socket.connected && ++this.#unanswered >= SILENT_SENDS) {
        this.#unanswered = 0
        this.#socket.io.engine.close()
      }
      return undefined
    }
  }

  /** @returns false if an earlier message is missing */
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

  /** Fetches whatever was missed: changes, and the messages of all conversations. */
  #catchUp(): void {
    this.#sync.ask()
    for (const id of this.#ledger.ids) this.#fill(id)
  }

  /** Syncs all pages. An unanswered request is repeated while connected; the next connection syncs anyway. */
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
      // No longer a member.
      if (page === null) return
      for (const message of page?.messages ?? []) this.#accept(message)
      if (page?.hasMore === false) return
      if (page === undefined) await delay(RETRY_MS)
    }
  }
}
