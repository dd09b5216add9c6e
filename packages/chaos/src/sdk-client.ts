import { ParleyClient } from '@parley/client'
import type { Message, User } from '@parley/protocol'
import type { Acked, ChaosClient, Seen } from './client.ts'

export interface SdkClientOptions {
  url: string
  user: User
  getToken: () => string
}

const CONNECT_BOUND_MS = 20_000

/** The SDK as a product would use it: it is told to connect and to send, and nothing else. */
export class SdkClient implements ChaosClient {
  readonly user: User
  readonly complaints: string[] = []
  offlineNotices = 0
  readonly #client: ParleyClient
  readonly #delivered = new Map<string, Seen[]>()

  constructor({ url, user, getToken }: SdkClientOptions) {
    this.user = user
    this.#client = new ParleyClient({ url, getToken })
    this.#client.on('message', (message) => this.#deliver(message))
    this.#client.on('skipped', (skipped) => this.complaints.push(`skipped ${JSON.stringify(skipped)}`))
    this.#client.on('left', ({ conversationId }) => this.complaints.push(`left ${conversationId}`))
  }

  async start(): Promise<void> {
    this.#client.connect()
    await this.#client.whenLive(CONNECT_BOUND_MS)
    this.#watchPresence()
  }

  async stop(): Promise<void> {
    this.#client.close()
  }

  describe(): string {
    return `SDK, ${this.#client.state.getSnapshot()}, ${this.#client.pendingCount} pending`
  }

  async send(conversationId: string, content: string): Promise<Acked> {
    const { id, seq, senderId } = await this.#client.send(conversationId, content)
    return { conversationId, senderId, content, id, seq }
  }

  delivered(conversationId: string): readonly Seen[] {
    return this.#delivered.get(conversationId) ?? []
  }

  conversations(): string[] {
    return [...this.#delivered.keys()]
  }

  async online(): Promise<Set<string> | null> {
    if (this.#client.state.getSnapshot() !== 'live') return null
    return new Set([...this.#client.presence.getSnapshot()].filter((id) => id !== this.user.id))
  }

  async read(conversationId: string): Promise<void> {
    const last = this.delivered(conversationId).at(-1)
    if (last !== undefined) this.#client.markAsRead(conversationId, last)
  }

  unread(): ReadonlyMap<string, number> {
    return new Map(this.#client.conversations.getSnapshot().map(({ id, unreadCount }) => [id, unreadCount]))
  }

  #deliver({ conversationId, id, seq, senderId, content }: Message): void {
    const seen = this.#delivered.get(conversationId) ?? []
    seen.push({ id, seq, senderId, content })
    this.#delivered.set(conversationId, seen)
  }

  /** Counts how often somebody is shown as having gone. */
  #watchPresence(): void {
    const { presence } = this.#client
    let before = presence.getSnapshot()
    presence.subscribe(() => {
      const now = presence.getSnapshot()
      for (const id of before) if (!now.has(id)) this.offlineNotices++
      before = now
    })
  }
}
