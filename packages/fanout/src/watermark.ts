import type { RedisClient } from '@parley/redis'

import { Distribution, LATENCY_SECONDS } from '@parley/runtime/measure'

const KEY = 'parley:published:'
const INDEX = 'parley:publishers'

export interface WatermarkOptions {
  redis: RedisClient
  /** This process's epoch id. */
  epoch: string
  /** Whether it is unknown, after this error, if the batch was stored. */
  isUnsure: (error: unknown) => boolean
  onError: (error: unknown) => void
  /** Milliseconds after which a process that has stopped writing counts as dead. Default 15,000. */
  leaseMs?: number
  /** Interval between two writes, in milliseconds: a worker learns of a published batch about this late. Default 200. */
  intervalMs?: number
}

/**
 * Tells the workers up to which batch this process has published the messages it stored, so that they neither touch batches in
 * progress nor miss those that a killed process left behind: outbox rows above the mark wait, and those of an origin whose mark
 * is gone are published again.
 *
 * Batches are numbered within an origin. If it is unknown whether one was stored (the connection broke during its commit), or
 * Redis did not accept its publishes, the process abandons that origin, so that a worker takes over, and continues under a new
 * one.
 */
export class PublishedWatermark {
  readonly #options: Required<WatermarkOptions>
  readonly #timer: NodeJS.Timeout
  #generation = 0
  #open = new Set<number>()
  #lastBatch = 0
  #written = ''
  #writtenAt = Number.NEGATIVE_INFINITY
  /** From the first publish of a batch, right after its commit, until Redis has accepted all of them, in seconds. */
  readonly publishing = new Distribution(LATENCY_SECONDS)

  constructor(options: WatermarkOptions) {
    this.#options = { leaseMs: 15_000, intervalMs: 200, ...options }
    this.#timer = setInterval(() => void this.#write(), this.#options.intervalMs)
  }

  /** Registers the process. Call before its first batch. */
  async start(): Promise<void> {
    await this.#write()
  }

  /**
   * Runs `work`, which stores one batch under this origin and number and publishes it. Does not wait for Redis: the promises
   * passed to `publishing` keep the batch open until they settle, and resolve to false if Redis did not accept a publish.
   */
  async cover<T>(
    work: (origin: string, batch: number, publishing: (taken: Promise<boolean>) => void) => Promise<T>,
  ): Promise<T> {
    const origin = this.#origin
    const batch = ++this.#lastBatch
    const open = this.#open.add(batch)
    const pending: Promise<boolean>[] = []
    let began = 0
    const publishing = (taken: Promise<boolean>): void => {
      if (pending.push(taken) === 1) began = performance.now()
    }
    try {
      return await work(origin, batch, publishing)
    } catch (error) {
      if (this.#options.isUnsure(error)) this.#abandon(origin)
      throw error
    } finally {
      void Promise.all(pending).then((taken) => {
        if (taken.length > 0) this.publishing.observe((performance.now() - began) / 1_000)
        open.delete(batch)
        if (taken.includes(false)) this.#abandon(origin)
      }, this.#options.onError)
    }
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#write()
  }

  get #origin(): string {
    return `${this.#options.epoch}.${this.#generation}`
  }

  /** The last batch up to which all are published. Batches open in ascending order, so the first in the set is the lowest. */
  get #mark(): number {
    const [lowest] = this.#open
    return lowest === undefined ? this.#lastBatch : lowest - 1
  }

  #abandon(origin: string): void {
    if (origin !== this.#origin) return
    const { redis, onError } = this.#options
    redis.del(KEY + origin).catch(onError)
    this.#generation++
    this.#open = new Set()
    this.#lastBatch = 0
    void this.#write()
  }

  async #write(): Promise<void> {
    const { redis, leaseMs, onError } = this.#options
    const origin = this.#origin
    const state = `${origin} ${this.#mark}`
    if (state === this.#written && performance.now() - this.#writtenAt < leaseMs / 3) return
    try {
      await Promise.all([redis.set(KEY + origin, this.#mark, 'PX', leaseMs), redis.sadd(INDEX, origin)])
      this.#written = state
      this.#writtenAt = performance.now()
    } catch (error) {
      onError(error)
    }
  }
}

/** Returns the marks of all live processes; removes dead ones from the index. */
export async function readWatermarks(redis: RedisClient): Promise<{ origin: string; batch: number }[]> {
  const origins = await redis.smembers(INDEX)
  const marks = await Promise.all(origins.map((origin) => redis.get(KEY + origin)))
  const dead = origins.filter((_, i) => marks[i] === null)
  if (dead.length > 0) await redis.srem(INDEX, ...dead)
  return origins.flatMap((origin, i) => {
    const mark = marks[i]
    return typeof mark === 'string' ? [{ origin, batch: Number(mark) }] : []
  })
}
