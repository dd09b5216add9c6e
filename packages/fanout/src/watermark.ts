import type { Redis } from 'ioredis'

const KEY = 'parley:published:'
const INDEX = 'parley:publishers'

export interface WatermarkOptions {
  redis: Redis
  /** This process's epoch id. */
  origin: string
  /** Milliseconds after which a process that writes no more counts as dead. */
  leaseMs?: number
  /** Least time between two writes, in milliseconds. A worker learns of a published batch about this much later. */
  intervalMs?: number
  onError: (error: unknown) => void
}

/**
 * Tells the workers up to which batch of messages this process has published what it stored, so that they neither touch
 * what is still on its way nor miss what a killed process left behind: rows of the outbox above the mark wait, and those
 * of an origin whose mark has expired are published again.
 */
export class PublishedWatermark {
  readonly #options: Required<WatermarkOptions>
  readonly #open = new Set<number>()
  readonly #timer: NodeJS.Timeout
  #lastBatch = 0
  #written = -1
  #writtenAt = 0

  constructor(options: WatermarkOptions) {
    this.#options = { leaseMs: 15_000, intervalMs: 200, ...options }
    this.#timer = setInterval(() => void this.#write(), this.#options.intervalMs)
  }

  /** Makes the process known. Call before its first batch. */
  async start(): Promise<void> {
    await this.#write()
  }

  /** Opens a batch; it holds the mark back until it is closed. @returns its number */
  open(): number {
    const batch = ++this.#lastBatch
    this.#open.add(batch)
    return batch
  }

  /** The batch is published, or was never stored. */
  close(batch: number): void {
    this.#open.delete(batch)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await this.#write()
  }

  /** Every batch up to this one is published. Numbers open in rising order, so the first of the set is the lowest. */
  get mark(): number {
    const [lowest] = this.#open
    return lowest === undefined ? this.#lastBatch : lowest - 1
  }

  async #write(): Promise<void> {
    const { redis, origin, leaseMs, onError } = this.#options
    const mark = this.mark
    if (mark === this.#written && Date.now() - this.#writtenAt < leaseMs / 3) return
    try {
      await Promise.all([redis.set(KEY + origin, mark, 'PX', leaseMs), redis.sadd(INDEX, origin)])
      this.#written = mark
      this.#writtenAt = Date.now()
    } catch (error) {
      onError(error)
    }
  }
}

/** The marks of all processes that are alive; forgets those that are not. */
export async function readWatermarks(redis: Redis): Promise<{ origin: string; batch: number }[]> {
  const origins = await redis.smembers(INDEX)
  const marks = await Promise.all(origins.map((origin) => redis.get(KEY + origin)))
  const dead = origins.filter((_, i) => marks[i] === null)
  if (dead.length > 0) await redis.srem(INDEX, ...dead)
  return origins.flatMap((origin, i) => {
    const mark = marks[i]
    return typeof mark === 'string' ? [{ origin, batch: Number(mark) }] : []
  })
}
