import type { ConversationType, ErrorBody, Message } from '@parley/protocol'
import { type Api, apiClient, type HttpAnswer, type Reply } from '@parley/testkit'

const CONVERSATIONS = '/api/messages/conversations'
const PAGE = 100

/** A refusal by the server, with its error code. */
export class Refusal extends Error {
  readonly code: string

  constructor({ code, message }: ErrorBody) {
    super(`${code}: ${message}`)
    this.code = code
  }
}

/** The HTTP requests of a standard client, each with a fresh token. */
export class RawRequests {
  readonly #url: string
  readonly #getToken: () => string

  constructor(url: string, getToken: () => string) {
    this.#url = url
    this.#getToken = getToken
  }

  /** Returns the messages after a seq; null if the person is not a member, undefined without an answer. */
  async after(
    conversationId: string,
    seq: number,
  ): Promise<{ messages: Message[]; hasMore: boolean } | null | undefined> {
    const answer = await this.#api
      .get<Message[]>(`${CONVERSATIONS}/${conversationId}/messages?limit=${PAGE}&afterSeq=${seq}`)
      .catch(() => undefined)
    if (answer?.body.success) return { messages: answer.body.data, hasMore: answer.body.meta?.hasMore === true }
    return answer?.status === 404 ? null : undefined
  }

  /** Undefined without an answer: the message may have been stored or not. */
  async post(conversationId: string, body: object): Promise<Reply<Message> | undefined> {
    const answer = await this.#api
      .post<Message>(`${CONVERSATIONS}/${conversationId}/messages`, body)
      .catch(() => undefined)
    // 502 and 504 come from the balancer while no pod is available.
    return answer === undefined || answer.status === 502 || answer.status === 504 ? undefined : answer.body
  }

  async read(conversationId: string, messageId: string): Promise<void> {
    await this.#api.post(`${CONVERSATIONS}/${conversationId}/read`, { messageId })
  }

  async create(type: ConversationType, participantIds: readonly string[]): Promise<void> {
    orThrow(await this.#api.post(CONVERSATIONS, { type, participantIds }))
  }

  async rename(conversationId: string, name: string): Promise<void> {
    orThrow(await this.#api.patch(`${CONVERSATIONS}/${conversationId}`, { name }))
  }

  async add(conversationId: string, userIds: readonly string[]): Promise<void> {
    orThrow(await this.#api.post(`${CONVERSATIONS}/${conversationId}/participants`, { userIds }))
  }

  async remove(conversationId: string, userId: string): Promise<void> {
    orThrow(await this.#api.delete(`${CONVERSATIONS}/${conversationId}/participants/${userId}`))
  }

  get #api(): Api {
    return apiClient(this.#url, this.#getToken())
  }
}

function orThrow({ body }: HttpAnswer<unknown>): void {
  if (!body.success) throw new Refusal(body.error)
}
