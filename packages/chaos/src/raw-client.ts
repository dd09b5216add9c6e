import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { ERRORS, type ErrorBody, type Message, type ServerEvents, type User } from '@parley/protocol'
import { noAnswer, within } from '@parley/runtime/within'
import { apiClient, type Reply } from '@parley/testkit'
import { io, type Socket } from 'socket.io-client'
import type { Acked, ChaosClient, Seen } from './client.ts'
import { Transcript } from './transcript.ts'

export interface RawClientOptions {
  url: string
  user: User
  token: string
  transports: ('websocket' | 'polling')[]
  /** Sends go over HTTP rather than over the socket. */
  posts: boolean
}

const CONNECT_BOUND_MS = 20_000
const ANSWER_BOUND_MS = 4_000
const RETRY_MS = 250
/** After so many unanswered sends in a row the connection is taken for dead and opened anew. */
const SILENT_SENDS = 2
const PAGE = 100

/** A stock socket.io-client with the least that a careful product would add: retry, and history after a gap. */
export class RawClient implements ChaosClient {
  readonly user: User
  readonly complaints: string[] = []
  offlineNotices = 0
  readonly #options: RawClientOptions
  readonly #socket: Socket
  readonly #transcripts = new Map<string, Transcript>()
  readonly #filling = new Map<string, Promise<void>>()
  #conversationIds: readonly string[] = []
  #silent = 0
  #connects = 0
  #heardAt = 0
  #stopped = false

  constructor(options: RawClientOptions) {
    this.user = options.user
    this.#options = options
    const { url, token, transports } = options
    this.#socket = io(url, {
      auth: { token },
      transports,
      forceNew: true,
      autoConnect: false,
      reconnectionDelayMax: 2_000,
    })
    this.#socket.on('connect', () => {
      this.#connects++
      this.#catchUp()
    })
    this.#socket.onAny(() => {
      this.#heardAt = performance.now()
    })
    this.#socket.on('resync', ({ afterMs = 0 }: { afterMs?: number }) => {
      setTimeout(() => this.#catchUp(), afterMs)
    })
    this.#socket.on('newMessage', (message: Message) => {
      if (!this.#transcript(message.conversationId).accept(message)) this.#fill(message.conversationId)
    })
    this.#socket.on('conversationUpdated', ({ conversationId, removed }: ServerEvents['conversationUpdated']) => {
      if (!removed.includes(this.user.id)) return
      this.#conversationIds = this.#conversationIds.filter((id) => id !== conversationId)
    })
    this.#socket.on('userOffline', () => {
      this.offlineNotices++
    })
    this.#socket.on('exception', (answer: unknown) => this.complaints.push(`exception ${JSON.stringify(answer)}`))
    // A refusal is final for a stock client; one that is only away comes as a transport error, which is not.
    this.#socket.on('connect_error', (error: Error & { data?: unknown }) => {
      if (error.data !== undefined) this.complaints.push(`refused: ${error.message}`)
    })
  }

  /** @param conversationIds what the person is in, as the product's page would know it */
  async start(conversationIds: readonly string[]): Promise<void> {
    this.#conversationIds = conversationIds
    const connected = new Promise<void>((resolve) => this.#socket.once('connect', resolve))
    this.#socket.connect()
    await within(CONNECT_BOUND_MS, connected, noAnswer(`${this.user.fullName}'s gateway`, CONNECT_BOUND_MS))
  }

  async stop(): Promise<void> {
    this.#stopped = true
    this.#socket.disconnect()
    await Promise.all(this.#filling.values())
  }

  describe(): string {
    const { transports, posts } = this.#options
    const connection = this.#socket.connected ? `connected ${this.#connects} times` : 'not connected'
    const quiet = Math.round((performance.now() - this.#heardAt) / 1_000)
    const fetching = this.#filling.size > 0 ? `, fetching in ${this.#filling.size}` : ''
    return `${transports.join()}${posts ? ' and HTTP' : ''}, ${connection}, heard something ${quiet} s ago${fetching}`
  }

  async send(conversationId: string, content: string): Promise<Acked> {
    const body = { content, type: 'TEXT', clientMessageId: randomUUID() }
    while (!this.#stopped) {
      const answer = await (this.#options.posts ? this.#post(conversationId, body) : this.#emit(conversationId, body))
      if (answer?.success) {
        const { id, seq, senderId } = answer.data
        return { conversationId, senderId, content, id, seq }
      }
      const error: ErrorBody | undefined = answer?.error
      if (error !== undefined && !ERRORS[error.code]?.retry) throw new Error(`${error.code}: ${error.message}`)
      await delay(error?.retryAfterMs ?? RETRY_MS)
    }
    throw new Error('the client was stopped')
  }

  delivered(conversationId: string): readonly Seen[] {
    return this.#transcripts.get(conversationId)?.delivered ?? []
  }

  conversations(): string[] {
    return [...this.#transcripts.keys()]
  }

  async read(conversationId: string): Promise<void> {
    const messageId = this.delivered(conversationId).at(-1)?.id
    if (messageId === undefined || !this.#socket.connected) return
    const payload = { conversationId, messageId }
    await this.#socket
      .timeout(ANSWER_BOUND_MS)
      .emitWithAck('markAsRead', payload)
      .catch(() => undefined)
  }

  async online(): Promise<Set<string> | null> {
    if (!this.#socket.connected) return null
    const answer: Reply<string[]> | null = await this.#socket
      .timeout(ANSWER_BOUND_MS)
      .emitWithAck('getOnlineUsers', {})
      .catch(() => null)
    return answer?.success ? new Set(answer.data) : null
  }

  unread(): null {
    return null
  }

  /** Undefined where there was no answer: then nobody knows whether the message was stored. */
  async #emit(conversationId: string, body: object): Promise<Reply<Message> | undefined> {
    if (!this.#socket.connected) return undefined
    try {
      const answer = await this.#socket.timeout(ANSWER_BOUND_MS).emitWithAck('sendMessage', { ...body, conversationId })
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

  async #post(conversationId: string, body: object): Promise<Reply<Message> | undefined> {
    const { url, token } = this.#options
    const path = `/api/messages/conversations/${conversationId}/messages`
    const answer = await apiClient(url, token)
      .post<Message>(path, body)
      .catch(() => undefined)
    // The balancer's own answer while no pod is there.
    return answer === undefined || answer.status === 502 || answer.status === 504 ? undefined : answer.body
  }

  #transcript(conversationId: string): Transcript {
    let transcript = this.#transcripts.get(conversationId)
    if (transcript === undefined) {
      transcript = new Transcript((complaint) => this.complaints.push(`${conversationId}: ${complaint}`))
      this.#transcripts.set(conversationId, transcript)
    }
    return transcript
  }

  #catchUp(): void {
    for (const conversationId of this.#conversationIds) this.#fill(conversationId)
  }

  /** Fetches what is missing of a conversation; a call while one is under way is followed by another round. */
  #fill(conversationId: string): void {
    const before = this.#filling.get(conversationId) ?? Promise.resolve()
    const filling = before.then(() => this.#fetchMissing(conversationId))
    this.#filling.set(conversationId, filling)
    void filling.finally(() => {
      if (this.#filling.get(conversationId) === filling) this.#filling.delete(conversationId)
    })
  }

  async #fetchMissing(conversationId: string): Promise<void> {
    const { url, token } = this.#options
    const transcript = this.#transcript(conversationId)
    while (!this.#stopped) {
      const path = `/api/messages/conversations/${conversationId}/messages?limit=${PAGE}&afterSeq=${transcript.last}`
      const answer = await apiClient(url, token)
        .get<Message[]>(path)
        .catch(() => undefined)
      if (answer?.body.success) {
        for (const message of answer.body.data) transcript.accept(message)
        if (!answer.body.meta?.hasMore) return
      } else if (answer?.status === 404) {
        // No longer in it.
        return
      } else {
        await delay(RETRY_MS)
      }
    }
  }
}
