import { randomUUID } from 'node:crypto'
import type { RedisClient } from '@parley/redis'
import { incarnationOf, incarnationsKey, leaseKey, originKey } from './keys.ts'

export interface LeaseOptions {
  redis: RedisClient
  epoch: string
  leaseMs: number
  renewMs: number
  /** A new incarnation holds the lease. `emptied`: Redis has lost its data since the previous one. */
  onTaken: (taken: { previous: string | null; emptied: boolean }) => void
  /** The lease was renewed. */
  onRenewed: () => void
  onError: (error: unknown) => void
}

/**
 * Holds a gateway's lease: renews it every `renewMs`, and immediately after a reconnect to Redis. If the lease is gone, a new
 * incarnation takes it.
 */
export class Lease {
  readonly #options: LeaseOptions
  readonly #key: string
  #generation = 0
  #incarnation: string | null = null
  #knownOrigin: string | null = null
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> | null = null
  #stopped = false
  #renewedAt = Number.NEGATIVE_INFINITY
  readonly #onReady = (): void => void this.#tick()

  constructor(options: LeaseOptions) {
    this.#options = options
    this.#key = leaseKey(options.epoch)
  }

  /** Resolves after the first attempt, whether or not Redis answered. */
  async start(): Promise<void> {
    this.#options.redis.on('ready', this.#onReady)
    await this.#tick()
  }

  /** The incarnation to write under; null until Redis has answered for the first time. */
  get incarnation(): string | null {
    return this.#incarnation
  }

  /** Whether the last renewal was so recent that the lease cannot have expired. */
  get held(): boolean {
    return performance.now() - this.#renewedAt < this.#options.leaseMs
  }

  /** Stops renewing. The lease then expires, unless {@link release} ends it. */
  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    this.#options.redis.off('ready', this.#onReady)
  }

  async release(): Promise<void> {
    if (this.#incarnation === null) return
    const { redis } = this.#options
    await redis.srem(incarnationsKey, this.#incarnation)
    await redis.del(this.#key)
  }

  /** Renews the lease, one attempt at a time; after a failure, the next one retries. */
  #tick(): Promise<void> {
    clearTimeout(this.#timer)
    this.#turn ??= this.#renew()
      .catch(this.#options.onError)
      .finally(() => {
        this.#turn = null
        if (!this.#stopped) this.#timer = setTimeout(() => void this.#tick(), this.#options.renewMs)
      })
    return this.#turn
  }

  async #renew(): Promise<void> {
    const { redis, leaseMs, onRenewed } = this.#options
    const startedAt = performance.now()
    const incarnation = this.#incarnation
    const held = incarnation !== null && (await redis.set(this.#key, incarnation, 'PX', leaseMs, 'XX')) === 'OK'
    if (this.#stopped) return
    if (held) onRenewed()
    else await this.#take()
    this.#renewedAt = startedAt
  }

  async #take(): Promise<void> {
    const { redis, epoch, leaseMs, onTaken } = this.#options
    this.#generation += 1
    const taken = incarnationOf(epoch, this.#generation)
    const offered = randomUUID()
    const origin = (await redis.set(originKey, offered, 'NX', 'GET')) ?? offered
    // The lease first: a reaper that saw the incarnation without its lease would remove it as cleaned up.
    await redis.set(this.#key, taken, 'PX', leaseMs)
    const previous = this.#incarnation
    // The previous one too: what was written under it after a reaper had removed it has to be cleaned up as well.
    await redis.sadd(incarnationsKey, taken, ...(previous === null ? [] : [previous]))
    if (this.#stopped) return
    const emptied = this.#knownOrigin !== null && origin !== this.#knownOrigin
    this.#incarnation = taken
    this.#knownOrigin = origin
    onTaken({ previous, emptied })
  }
}
