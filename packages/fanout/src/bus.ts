import { EventEmitter } from 'node:events'
import { hasMoved, openRedis, type RedisAddress, type RedisClient, redisReady } from '@parley/redis'
import { backoffMs } from '@parley/runtime/backoff'
import { within } from '@parley/runtime/within'
import { openSubscriptions, type Subscriptions } from './subscriptions.ts'

export type Handler = (payload: Buffer, channel: string) => void

interface BusEvents {
  /** The subscriber has reconnected: messages published meanwhile were missed, all subscriptions are active again. */
  restored: []
  /** A connection failed, which is retried automatically, or a publish. May be emitted thousands of times. */
  error: [error: Error]
}

/** Timeout of a publish, in milliseconds. */
const PUBLISH_TIMEOUT_MS = 2_000
/** In a cluster, a publish follows a channel whose slot moved this many times, but does not wait for a node that is down. */
const REDIRECTIONS = 3
/** Delay before reconnecting, in milliseconds. Publishes fail meanwhile. */
const retryDelay = (attempt: number) => backoffMs(attempt, 100, 1_000)
/** Maximum number of failed publishes kept for a retry, and the retry interval in milliseconds. */
const KEPT_MAX = 1_000
const KEPT_RETRY_MS = 1_000

/**
 * Sharded publish and subscribe over two connections to Redis 7 or later; on a Redis Cluster, two to each of its nodes.
 *
 * - Publishing never waits for a Redis that is down: it fails and is counted. Messages are in Postgres by then, and clients
 *   detect the gap. What nobody would detect is kept and published again: if only this process was cut off, or only its
 *   publishing connection, nobody else has missed anything, so nobody syncs.
 * - Subscribing never fails: a subscription is kept until Redis is up, and restored after a reconnect.
 * - Commands on one connection are answered in order, so each is confirmed by the answer to any later one. {@link Bus.barrier}
 *   relies on that.
 */
export class Bus extends EventEmitter<BusEvents> {
  readonly #pub: RedisClient
  readonly #subscriptions: Subscriptions
  readonly #handlers = new Map<string, Handler>()
  #barrier: Promise<boolean> | undefined
  /** The newest failed publishes that are to be retried. */
  readonly #kept: { channel: string; payload: string | Buffer }[] = []
  #retry: NodeJS.Timeout | undefined
  /** Number of publishes that are not answered yet, and the callbacks for when there are none. */
  #open = 0
  readonly #settled: (() => void)[] = []
  /** Channels whose subscription changed in this turn of the event loop, and whether it is wanted now. */
  #changed = new Map<string, boolean>()
  #closed = false
  /** Number of publishes, without retries. */
  publishes = 0
  /** Number of publishes that Redis did not accept at once. Retries do not count again. */
  failedPublishes = 0

  constructor(address: RedisAddress, name: string) {
    super()
    const onError = (error: Error) => this.#report(error)
    this.#pub = openRedis(address, {
      name: `${name}:pub`,
      queued: false,
      commandTimeoutMs: PUBLISH_TIMEOUT_MS,
      // All publishes of a tick travel as one write. Measured in docs/PERFORMANCE.md.
      pipelined: { except: [] },
      retryDelay,
      redirections: REDIRECTIONS,
      onError,
    })
    this.#subscriptions = openSubscriptions(address, this.#pub, {
      connection: { name: `${name}:sub`, retries: null, retryDelay, onError },
      wanted: () => this.#handlers.keys(),
      onMessage: (channel, payload) => this.#handlers.get(channel)?.(payload, channel),
      onRestored: () => {
        if (!this.#closed) this.emit('restored')
      },
    })
  }

  /** Resolves when all connections are up; rejects after `timeoutMs`. */
  async ready(timeoutMs: number): Promise<void> {
    await Promise.all([redisReady(this.#pub, timeoutMs), this.#subscriptions.ready(timeoutMs)])
  }

  /** Whether all connections are up. */
  get healthy(): boolean {
    return this.#pub.status === 'ready' && this.#subscriptions.healthy
  }

  /**
   * Publishes to a channel. Never rejects.
   * @param keep publish it later if it fails now; it may then arrive twice
   * @returns false if Redis did not accept it
   */
  async publish(channel: string, payload: string | Buffer, keep = false): Promise<boolean> {
    this.publishes++
    const taken = await this.#send(channel, payload)
    if (taken) return true
    this.failedPublishes++
    if (keep) this.#keep(channel, payload)
    return false
  }

  async #send(channel: string, payload: string | Buffer): Promise<boolean> {
    this.#open++
    const taken = await this.#follow(channel, payload)
    if (--this.#open === 0) for (const resolve of this.#settled.splice(0)) resolve()
    return taken
  }

  /** Publishes once, following a channel whose slot moves. */
  async #follow(channel: string, payload: string | Buffer): Promise<boolean> {
    for (let redirections = 0; ; redirections++) {
      try {
        await this.#pub.spublish(channel, payload)
        return true
      } catch (error) {
        if (redirections < REDIRECTIONS && (await hasMoved(this.#pub, error))) continue
        this.#report(error)
        return false
      }
    }
  }

  #keep(channel: string, payload: string | Buffer): void {
    if (this.#closed) return
    if (this.#kept.push({ channel, payload }) > KEPT_MAX) this.#kept.shift()
    this.#planRetry()
  }

  #planRetry(): void {
    this.#retry ??= setTimeout(() => void this.#publishKept(), KEPT_RETRY_MS)
  }

  /** Retries the kept publishes. Those that fail again stay in front of those added since. */
  async #publishKept(): Promise<void> {
    const kept = this.#pub.status === 'ready' ? this.#kept.splice(0) : []
    const taken = await Promise.all(kept.map(({ channel, payload }) => this.#send(channel, payload)))
    this.#retry = undefined
    if (this.#closed) return
    this.#kept.unshift(...kept.filter((_, index) => !taken[index]))
    this.#kept.splice(0, this.#kept.length - KEPT_MAX)
    if (this.#kept.length > 0) this.#planRetry()
  }

  /** Subscribes a channel's only handler. Active once the next {@link barrier} has resolved to true. */
  subscribe(channel: string, handler: Handler): void {
    this.#handlers.set(channel, handler)
    this.#change(channel, true)
  }

  unsubscribe(channel: string): void {
    this.#handlers.delete(channel)
    this.#change(channel, false)
  }

  /**
   * Resolves to true when every subscription made so far is active, or to false if Redis does not confirm that within
   * `timeoutMs`. In that case `restored` follows if the connection was lost, but nothing if Redis was only slow. Callers in the
   * same tick share one round trip.
   */
  barrier(timeoutMs = 1_000): Promise<boolean> {
    this.#barrier ??= new Promise<boolean>((resolve) => {
      // In the next turn of the event loop, because the ping has to follow the subscriptions of all callers who share it.
      setImmediate(() => {
        this.#barrier = undefined
        this.#sendChanges()
        resolve(this.#subscriptions.ping(timeoutMs))
      })
    })
    return this.#barrier
  }

  /** Closes all connections, after waiting for outstanding publishes, at most as long as their timeout. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#retry)
    this.#handlers.clear()
    if (this.#open > 0) {
      const settled = new Promise<void>((resolve) => this.#settled.push(resolve))
      await within(PUBLISH_TIMEOUT_MS, settled, () => undefined)
    }
    this.#pub.disconnect()
    this.#subscriptions.close()
  }

  /**
   * Sends all subscriptions of a turn as one command: a user with 20 conversations costs one and not 21, and so do a hundred
   * users who connect at once.
   */
  #change(channel: string, wanted: boolean): void {
    if (this.#changed.size === 0) setImmediate(() => this.#sendChanges())
    this.#changed.set(channel, wanted)
  }

  #sendChanges(): void {
    const changed = this.#changed
    this.#changed = new Map()
    const wanted = [...changed].flatMap(([channel, isWanted]) => (isWanted ? [channel] : []))
    const unwanted = [...changed].flatMap(([channel, isWanted]) => (isWanted ? [] : [channel]))
    if (wanted.length > 0) this.#subscriptions.subscribe(wanted)
    if (unwanted.length > 0) this.#subscriptions.unsubscribe(unwanted)
  }

  #report(error: unknown): void {
    if (!this.#closed && this.listenerCount('error') > 0) {
      this.emit('error', error instanceof Error ? error : new Error(String(error)))
    }
  }
}
