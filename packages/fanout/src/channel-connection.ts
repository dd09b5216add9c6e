import { type RedisClient, redisReady } from '@parley/redis'
import { within } from '@parley/runtime/within'

export interface ChannelConnectionOptions {
  redis: RedisClient
  /** Returns the channels to subscribe on this connection; called whenever it is (re)established. */
  wanted: () => Iterable<string>
  /** Splits channels into groups that one command may name. */
  commandsOf: (channels: readonly string[]) => Iterable<readonly string[]>
  onMessage: (channel: string, payload: Buffer) => void
  /** The connection was lost and is back, with all its subscriptions active. */
  onRestored: () => void
  /** Redis refused a subscription. */
  onRefused: (error: unknown) => void
}

/** How long to wait for a ping before sending the next one, in milliseconds. */
const PING_MS = 5_000

/**
 * One subscriber connection. Subscriptions are (re)sent whenever it is established. Commands on one connection are answered in
 * order: what was subscribed before a ping is active when the ping is answered.
 */
export class ChannelConnection {
  readonly #options: ChannelConnectionOptions
  readonly #redis: RedisClient
  /** Resolves when subscriptions to everything wanted have been sent on the current connection. */
  #subscribed = Promise.withResolvers<void>()
  /** Channels not confirmed on the current connection, each with the number of its latest command. */
  readonly #unconfirmed = new Map<string, number>()
  #commands = 0
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

  /** Subscribes channels. Sends nothing without a connection: the next one asks `wanted`. */
  subscribe(channels: readonly string[]): void {
    if (!this.#current) return
    for (const names of this.#options.commandsOf(channels)) {
      const command = ++this.#commands
      for (const channel of names) this.#unconfirmed.set(channel, command)
      this.#redis.ssubscribe(...names).then(() => this.#confirm(names, command), this.#options.onRefused)
    }
  }

  #confirm(channels: readonly string[], command: number): void {
    for (const channel of channels) {
      if (this.#unconfirmed.get(channel) === command) this.#unconfirmed.delete(channel)
    }
  }

  /** Returns whether a channel was subscribed on the current connection, and Redis has refused it or not answered yet. */
  isUnconfirmed(channel: string): boolean {
    return this.#unconfirmed.has(channel)
  }

  unsubscribe(channels: readonly string[]): void {
    if (!this.#current) return
    for (const channel of channels) this.#unconfirmed.delete(channel)
    for (const names of this.#options.commandsOf(channels)) {
      // If it fails, Redis has no such subscription any more.
      this.#redis.sunsubscribe(...names).catch(() => undefined)
    }
  }

  /** Whether Redis confirms within `timeoutMs` that everything subscribed so far is active. */
  ping(timeoutMs: number): Promise<boolean> {
    return within(timeoutMs, this.#answered(), () => false)
  }

  /**
   * Pings until the answer comes on the connection that the ping was sent on. After a reconnect, ioredis resends unanswered
   * commands ahead of the subscriptions, so such an answer proves nothing.
   */
  async #answered(): Promise<boolean> {
    while (!this.#closed) {
      const subscribed = this.#subscribed
      await subscribed.promise
      try {
        await this.#redis.ping()
      } catch {
        return false
      }
      if (subscribed === this.#subscribed) return true
    }
    return false
  }

  /** Replaces the connection by a new one. */
  renew(): void {
    if (!this.#closed) this.#redis.disconnect(true)
  }

  close(): void {
    this.#closed = true
    this.#redis.disconnect()
  }

  #onClose(): void {
    if (this.#current) this.#subscribed = Promise.withResolvers()
    this.#current = false
    this.#unconfirmed.clear()
  }

  #onReady(): void {
    this.#current = true
    this.subscribe([...this.#options.wanted()])
    this.#subscribed.resolve()
    const isReconnect = this.#wasReady
    this.#wasReady = true
    if (isReconnect) void this.#notifyRestored()
  }

  /**
   * Calls `onRestored` once all subscriptions are active. Waits as long as Redis takes: if it gave up, nobody would notice what
   * was missed. If the connection is lost again, its next `ready` leads here.
   */
  async #notifyRestored(): Promise<void> {
    while (this.healthy && !this.#closed) {
      if (await this.ping(PING_MS)) {
        if (!this.#closed) this.#options.onRestored()
        return
      }
    }
  }
}
