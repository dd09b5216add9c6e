import { setTimeout as delay } from 'node:timers/promises'
import { within } from '@parley/runtime/within'
import { type Acked, type ChaosClient, codeOf } from './client.ts'

export interface TrafficOptions {
  clients: readonly ChaosClient[]
  /** The shortest and longest pause of a client between an ack and its next message, in milliseconds. */
  pauseMs: readonly [number, number]
}

/** A send that failed with an error that a retry would not fix. */
export interface Failed {
  conversationId: string
  senderId: string
  code: string | undefined
  problem: string
}

/** The probability that a client marks a conversation as read after writing in it. */
const READ_CHANCE = 0.2

/** Everybody continually writes in their conversations: a client's next message follows the ack of its previous one. */
export class Traffic {
  /** The acks of the current phase. */
  acked: Acked[] = []
  failed: Failed[] = []
  readonly #options: TrafficOptions
  #stop = new AbortController()
  #loops: Promise<void>[] = []
  #count = 0

  constructor(options: TrafficOptions) {
    this.#options = options
  }

  start(): void {
    this.#stop = new AbortController()
    this.#loops = this.#options.clients.map((client) => this.#write(client, this.#stop.signal))
  }

  /** Lets every client finish its message. Resolves to false if one could not within `boundMs`. */
  async stop(boundMs: number): Promise<boolean> {
    this.#stop.abort()
    const done = Promise.all(this.#loops).then(() => true)
    return within(boundMs, done, () => false)
  }

  async #write(client: ChaosClient, stop: AbortSignal): Promise<void> {
    const [shortest, longest] = this.#options.pauseMs
    while (!stop.aborted) {
      const conversations = [...client.views().keys()]
      const conversationId = conversations[Math.floor(Math.random() * conversations.length)]
      if (conversationId !== undefined) await this.#writeIn(conversationId, client)
      await delay(shortest + Math.random() * (longest - shortest), undefined, { signal: stop }).catch(() => undefined)
    }
  }

  async #writeIn(conversationId: string, client: ChaosClient): Promise<void> {
    const { id: senderId, fullName } = client.user
    const content = `${++this.#count} from ${fullName}`
    try {
      this.acked.push(await client.send(conversationId, content))
      if (Math.random() < READ_CHANCE) await client.read(conversationId)
    } catch (error) {
      const problem = `${content}: ${error instanceof Error ? error.message : String(error)}`
      this.failed.push({ conversationId, senderId, code: codeOf(error), problem })
    }
  }
}
