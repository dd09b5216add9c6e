import { randomUUID } from 'node:crypto'
import { ParleyClient } from '@parley/client'
import type { ConversationType, Message, User } from '@parley/protocol'
import { Absences } from './absences.ts'
import type { Acked, Arrival, ChaosClient, Seen, View } from './client.ts'

export interface SdkClientOptions {
  url: string
  user: User
  getToken: () => string
}

const CONNECT_BOUND_MS = 20_000
/** How many of the client's last errors to keep. */
const ERRORS_KEPT = 5

/** Uses the SDK as a product would: only the person's actions are passed to it. */
export class SdkClient implements ChaosClient {
  readonly user: User
  readonly complaints: string[] = []
  readonly arrivals: Arrival[] = []
  readonly delivered = new Map<string, Seen[]>()
  /** The SDK does not expose them: what it shows also depends on memberships. */
  readonly offlineNotices = null
  readonly #absences = new Absences()
  readonly #client: ParleyClient
  /** The last errors that the client reported, each with its time by `performance.now()`. */
  readonly #errors: { at: number; what: string }[] = []

  constructor({ url, user, getToken }: SdkClientOptions) {
    this.user = user
    this.#client = new ParleyClient({ url, getToken })
    this.#client.on('error', ({ code, message }) => {
      this.#errors.push({ at: performance.now(), what: `${code} ${message}` })
      if (this.#errors.length > ERRORS_KEPT) this.#errors.shift()
    })
    const { state } = this.#client
    state.subscribe(() => this.#absences.note(state.getSnapshot() === 'live', state.getSnapshot()))
    this.#client.on('message', (message) => this.#deliver(message))
    this.#client.on('skipped', (skipped) => this.complaints.push(`skipped ${JSON.stringify(skipped)}`))
  }

  async start(): Promise<void> {
    this.#client.connect()
    await this.#client.whenLive(CONNECT_BOUND_MS)
  }

  async stop(): Promise<void> {
    this.#client.close()
  }

  get absences() {
    return this.#absences.all
  }

  describe(): string {
    const now = performance.now()
    const errors = this.#errors.map(({ at, what }) => `; ${((now - at) / 1_000).toFixed(1)} s ago: ${what}`).join('')
    return `SDK, ${this.#client.state.getSnapshot()}, ${this.#client.pendingCount} pending${errors}`
  }

  async send(conversationId: string, content: string): Promise<Acked> {
    const clientMessageId = randomUUID()
    try {
      const { id, seq, senderId } = await this.#client.send(conversationId, content, { clientMessageId })
      return { conversationId, senderId, content, id, seq }
    } catch (error) {
      this.#client.discard(clientMessageId)
      throw error
    }
  }

  async read(conversationId: string): Promise<void> {
    const last = this.delivered.get(conversationId)?.at(-1)
    if (last !== undefined) this.#client.markAsRead(conversationId, last)
  }

  create(type: ConversationType, participantIds: readonly string[]): Promise<unknown> {
    return this.#client.createConversation({ type, participantIds })
  }

  rename(conversationId: string, name: string): Promise<unknown> {
    return this.#client.rename(conversationId, name)
  }

  add(conversationId: string, userIds: readonly string[]): Promise<unknown> {
    return this.#client.addParticipants(conversationId, userIds)
  }

  remove(conversationId: string, userId: string): Promise<unknown> {
    return this.#client.removeParticipant(conversationId, userId)
  }

  views(): ReadonlyMap<string, View> {
    return new Map(
      this.#client.conversations
        .getSnapshot()
        .map(({ id, participants, ...conversation }): [string, View] => [
          id,
          { ...conversation, members: new Map(participants.map((person) => [person.id, person])) },
        ]),
    )
  }

  async online(): Promise<Set<string> | null> {
    if (this.#client.state.getSnapshot() !== 'live') return null
    return new Set([...this.#client.presence.getSnapshot()].filter((id) => id !== this.user.id))
  }

  #deliver({ conversationId, id, seq, senderId, content }: Message): void {
    const seen = this.delivered.get(conversationId) ?? []
    seen.push({ id, seq, senderId, content })
    this.delivered.set(conversationId, seen)
    this.arrivals.push({ conversationId, seq, at: Date.now() })
  }
}
