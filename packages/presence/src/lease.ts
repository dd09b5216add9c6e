import { randomUUID } from 'node:crypto'
import { incarnationOf, incarnationsKey, leaseKey, originKey } from './keys.ts'
import type { PresenceRedis } from './redis.ts'

export interface LeaseOptions {
  redis: PresenceRedis
  epoch: string
  leaseMs: number
  renewMs: number
  /** A new incarnation holds the lease. `emptied`: Redis has lost its data since the one before. */
  onTaken: (taken: { incarnation: string; previous: string | null; emptied: boolean }) => void
  /** The lease was renewed: Redis answers. */
  onRenewed: () => void
  onError: (error: unknown) => void
}

/**
 * Holds a gateway's lease: one write per `renewMs`, and at once when the connection to Redis has come back. A lease
 * that is found missing is taken by a new incarnation.
 */
export function createLease(options: LeaseOptions) {
  const { redis, epoch, leaseMs, renewMs, onTaken, onRenewed, onError } = options
  const key = leaseKey(epoch)
  let generation = 0
  let incarnation: string | null = null
  let knownOrigin: string | null = null
  let timer: NodeJS.Timeout | undefined
  let turn: Promise<void> | null = null
  let stopped = false
  let renewedAt = Number.NEGATIVE_INFINITY

  async function take(): Promise<void> {
    generation += 1
    const taken = incarnationOf(epoch, generation)
    const offered = randomUUID()
    const origin = (await redis.set(originKey, offered, 'NX', 'GET')) ?? offered
    // The lease first: a reaper that saw the incarnation without its lease would strike it off as cleaned up.
    await redis.set(key, taken, 'PX', leaseMs)
    const previous = incarnation
    // The previous one too: what was written under it after a reaper had struck it off is to be cleaned up as well.
    await redis.sadd(incarnationsKey, taken, ...(previous === null ? [] : [previous]))
    if (stopped) return
    const emptied = knownOrigin !== null && origin !== knownOrigin
    incarnation = taken
    knownOrigin = origin
    onTaken({ incarnation: taken, previous, emptied })
  }

  async function renew(): Promise<void> {
    const asked = performance.now()
    const held = incarnation !== null && (await redis.set(key, incarnation, 'PX', leaseMs, 'XX')) === 'OK'
    if (stopped) return
    if (held) onRenewed()
    else await take()
    renewedAt = asked
  }

  /** One turn at a time; a failed one is made up for by the next. */
  function tick(): Promise<void> {
    clearTimeout(timer)
    turn ??= renew()
      .catch(onError)
      .finally(() => {
        turn = null
        if (!stopped) timer = setTimeout(tick, renewMs)
      })
    return turn
  }

  const onReady = (): void => void tick()

  return {
    /** Resolves after the first attempt, whether or not Redis answered. */
    async start(): Promise<void> {
      redis.on('ready', onReady)
      await tick()
    },
    /** The incarnation to write under; null until Redis has answered for the first time. */
    incarnation: (): string | null => incarnation,
    /** Whether the last renewal was so recent that the lease cannot have run out. */
    held: (): boolean => performance.now() - renewedAt < leaseMs,
    /** Ends the renewals. The lease itself runs out, unless `release` ends it. */
    stop(): void {
      stopped = true
      clearTimeout(timer)
      redis.off('ready', onReady)
    },
    async release(): Promise<void> {
      if (incarnation === null) return
      await redis.srem(incarnationsKey, incarnation)
      await redis.del(key)
    },
  }
}
