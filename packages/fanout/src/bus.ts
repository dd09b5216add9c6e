import { EventEmitter } from 'node:events'
import { hasMoved, openRedis, type RedisAddress, type RedisClient, redisReady } from '@parley/redis'
import { backoffMs } from '@parley/runtime/backoff'
import { within } from '@parley/runtime/within'
import { openSubscriptions, type Subscriptions } from './subscriptions.ts'

export type Handler = (payload: Buffer, channel: string) => void

interface BusEvents {
  /** The subscriber is back after having been away: what was published meanwhile is lost, all channels are in force. */
  restored: []
  /** A connection failed, which is tried again by itself, or a publish: they come by the thousand. */
  error: [error: Error]
}

/** A publish that Redis does not answer is given up after this, in milliseconds. */
const PUBLISH_TIMEOUT_MS = 2_000
/** In a cluster: a publish follows a channel that moved, but waits for no node that is away. */
const REDIRECTIONS = 3
/** From a connection's failure to the next attempt, in milliseconds: publishes fail meanwhile. */
const retryDelay = (attempt: number) => backoffMs(attempt, 100, 1_000)
/** Publishes that Redis did not take and that are kept until it does, and how often that is tried, in milliseconds. */
const KEPT = 1_000
const KEPT_RETRY_MS = 1_000

/**
 * Sharded publish and subscribe over two connections to Redis 7 or later; on a Redis Cluster, two to each of its nodes.
 *
 * - Publishing never waits for a Redis that is away: it fails and is counted. Messages are in Postgres by then, and clients find
 *   the gap. What nobody would find is kept and published again: where this process alone was cut off, or only its connection for
 *   publishing, nobody else has missed anything, and nobody syncs.
 * - Subscribing never fails: it is kept until Redis is there, and comes back by itself after a reconnect.
 * - Commands on one connection are answered in order. So one is confirmed once any later one is, which is what
 *   {@link Bus.barrier} builds on.
 */
export class Bus extends EventEmitter<BusEvents> {
  readonly #pub: RedisClient
  readonly #subscriptions: Subscriptions
  readonly #handlers = new Map<string, Handler>()
  #barrier: Promise<boolean> | undefined
  /** The latest that are to be published again. */
  readonly #kept: { channel: string; payload: string | Buffer }[] = []
  #retry: NodeJS.Timeout | undefined
  /** Publishes that are not answered yet, and who waits for there to be none. */
  #open = 0
  readonly #settled: (() => void)[] = []
  /** Channels whose subscription changed in this turn of the loop, and whether it is wanted now. */
  #changed = new Map<string, boolean>()
  #closed = false
  publishes = 0
  /** Publishes that Redis did not take. */
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

  /** Resolves when all connections stand; rejects after `timeoutMs`. */
  async ready(timeoutMs: number): Promise<void> {
    await Promise.all([redisReady(this.#pub, timeoutMs), this.#subscriptions.ready(timeoutMs)])
  }

  /** All connections stand. */
  get healthy(): boolean {
    return this.#pub.status === 'ready' && this.#subscriptions.healthy
  }

  /**
   * Never rejects: resolves to false when Redis did not take it.
   * @param keep publishes it later then; it may come twice
   */
  async publish(channel: string, payload: string | Buffer, keep = false): Promise<boolean> {
    this.publishes++
    this.#open++
    const taken = await this.#send(channel, payload)
    if (!taken && keep) this.#keep(channel, payload)
    if (--this.#open === 0) for (const resolve of this.#settled.splice(0)) resolve()
    return taken
  }

  /** Follows a channel whose slot moves. */
  async #send(channel: string, payload: string | Buffer): Promise<boolean> {
    for (let redirections = 0; ; redirections++) {
      try {
        await this.#pub.spublish(channel, payload)
        return true
      } catch (error) {
        if (redirections < REDIRECTIONS && (await hasMoved(this.#pub, error))) continue
        this.failedPublishes++
        this.#report(error)
        return false
      }
    }
  }

  #keep(channel: string, payload: string | Buffer): void {
    if (this.#closed) return
    if (this.#kept.push({ channel, payload }) > KEPT) this.#kept.shift()
    this.#planRetry()
  }

  #planRetry(): void {
    this.#retry ??= setTimeout(() => void this.#publishKept(), KEPT_RETRY_MS)
  }

  /** What Redis does not take this time either stays ahead of what has come since. */
  async #publishKept(): Promise<void> {
    const kept = this.#pub.status === 'ready' ? this.#kept.splice(0) : []
    const taken = await Promise.all(kept.map(({ channel, payload }) => this.publish(channel, payload)))
    this.#retry = undefined
    if (this.#closed) return
    this.#kept.unshift(...kept.filter((_, index) => !taken[index]))
    this.#kept.splice(0, this.#kept.length - KEPT)
    if (this.#kept.length > 0) this.#planRetry()
  }

  /** One handler a channel. In force after the next {@link barrier}. */
  subscribe(channel: string, handler: Handler): void {
    this.#handlers.set(channel, handler)
    this.#change(channel, true)
  }

  unsubscribe(channel: string): void {
    this.#handlers.delete(channel)
    this.#change(channel, false)
  }

  /**
   * Resolves to true when every subscription made so far is in force, to false when Redis does not confirm it within
   * `timeoutMs`: then `restored` will come if the connection was lost, and nothing if Redis was only slow. Callers of the same
   * tick share one round trip.
   */
  barrier(timeoutMs = 1_000): Promise<boolean> {
    this.#barrier ??= new Promise<boolean>((resolve) => {
      // The ping has to follow the subscriptions of everybody who shares it, hence the turn of the loop.
      setImmediate(() => {
        this.#barrier = undefined
        this.#sendChanges()
        resolve(this.#subscriptions.ping(timeoutMs))
      })
    })
    return this.#barrier
  }

  /** Waits until Redis has answered what was published, within the time that a publish may take. */
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
   * All subscriptions of a turn travel as one command: somebody with 20 conversations costs one and not 21, and so do a
   * hundred who connect at once.
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
