import { type RedisClient, redisReady } from '@parley/redis'
import { within } from '@parley/runtime/within'

export interface ChannelConnectionOptions {
  redis: RedisClient
  /** The channels that are to be subscribed here, asked for whenever the connection is new. */
  wanted: () => Iterable<string>
  /** Which channels one command may name. */
  commandsOf: (channels: readonly string[]) => Iterable<readonly string[]>
  onMessage: (channel: string, payload: Buffer) => void
  /** The connection was lost and is back, all its channels in force. */
  onRestored: () => void
  /** Redis did not take a subscription. */
  onRefused: (error: unknown) => void
}

/** How long a ping is waited for before the next, in milliseconds. */
const PING_MS = 5_000

/**
 * One subscriber's connection. What is asked of it while there is none is kept, and asked for again after a reconnect.
 * Commands on one connection are answered in order: what was subscribed before a ping is in force when it is answered.
 */
export class ChannelConnection {
  readonly #options: ChannelConnectionOptions
  readonly #redis: RedisClient
  /** Settles when everything wanted has been asked for on the present connection. */
  #asked = Promise.withResolvers<void>()
  #current = false
  #wasReady = false
  #closed = false

  constructor(options: ChannelConnectionOptions) {
    const { redis, onMessage } = options
    this.#options = options
    this.#redis = redis
    redis.on('ready', () => this.#onReady())
    redis.on('close', () => this.#onClose())
    redis.on('smessageBuffer', (channel: Buffer, payload: Buffer) => onMessage(channel.toString(), payload))
  }

  get healthy(): boolean {
    return this.#redis.status === 'ready'
  }

  ready(timeoutMs: number): Promise<void> {
    return redisReady(this.#redis, timeoutMs)
  }

  /** Without a connection nothing is sent: `wanted` will tell when there is one. */
  subscribe(channels: readonly string[]): void {
    if (!this.#current) return
    for (const some of this.#options.commandsOf(channels)) {
      this.#redis.ssubscribe(...some).catch(this.#options.onRefused)
    }
  }

  unsubscribe(channels: readonly string[]): void {
    if (!this.#current) return
    for (const some of this.#options.commandsOf(channels)) {
      // One that Redis no longer knows is none.
      this.#redis.sunsubscribe(...some).catch(() => undefined)
    }
  }

  /** Whether all that was asked for so far is known to be in force within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean> {
    return within(timeoutMs, this.#answered(), () => false)
  }

  /**
   * An answer says something of the connection that the ping was sent on alone: ioredis sends what was not answered again on the
   * next one, ahead of its subscriptions.
   */
  async #answered(): Promise<boolean> {
    while (!this.#closed) {
      const asked = this.#asked
      await asked.promise
      try {
        await this.#redis.ping()
      } catch {
        return false
      }
      if (asked === this.#asked) return true
    }
    return false
  }

  /** Gives this connection up for a new one. */
  renew(): void {
    if (!this.#closed) this.#redis.disconnect(true)
  }

  close(): void {
    this.#closed = true
    this.#redis.disconnect()
  }

  #onClose(): void {
    if (this.#current) this.#asked = Promise.withResolvers()
    this.#current = false
  }

  #onReady(): void {
    this.#current = true
    this.subscribe([...this.#options.wanted()])
    this.#asked.resolve()
    const again = this.#wasReady
    this.#wasReady = true
    if (again) void this.#tellRestored()
  }

  /**
   * Waits however long Redis takes: nobody would notice what was missed if this gave up. When the connection goes again,
   * its next `ready` leads here.
   */
  async #tellRestored(): Promise<void> {
    while (this.healthy && !this.#closed) {
      if (await this.ping(PING_MS)) {
        if (!this.#closed) this.#options.onRestored()
        return
      }
    }
  }
}
