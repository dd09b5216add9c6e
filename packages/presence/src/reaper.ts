import type { RedisClient } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { WorkLoop } from '@parley/runtime/work-loop'
import { incarnationsIn, incarnationsKey, leavingKey, peopleKey, userKey } from './keys.ts'
import { aliveOf, run } from './redis.ts'
import { claimScript, forgetScript, judgeScript, leaveScript, settleScript } from './scripts.ts'
import { defaultTiming, type PresenceTiming } from './states.ts'

export interface ReaperOptions extends Partial<PresenceTiming> {
  redis: RedisClient
  /** Milliseconds between two rounds. Default 1000. */
  intervalMs?: number
  /**
   * Milliseconds for which a lease must be missing before its users are cleaned up. Default 2000. After an outage of Redis
   * that outlasted the leases, this gives gateways the time to take new ones.
   */
  confirmMs?: number
  /** Milliseconds after which a user claimed by a reaper that did not finish is due again. Default 30000. */
  claimMs?: number
  /**
   * A user went offline. `lastSeenAt` is when the last connection closed or, after a gateway's death, about when it last renewed
   * its lease; up to `leaseMs` late if the gateway closed it while stopping. Called once per transition, and again after
   * `claimMs` if it rejects or the process dies during the call.
   */
  onOffline: (userId: string, lastSeenAt: Date) => Promise<void>
  /** The user came back while `onOffline` ran: the report may have arrived after the one that they are online. */
  onReturn?: (userId: string) => Promise<void>
  onError?: (error: unknown) => void
}

/** Users claimed at once, and how many of them are processed concurrently. */
const BATCH = 200
const WIDTH = 20
/** Maximum number of batches per round; the next round continues from there. */
const BATCHES_PER_ROUND = 100

const DEFAULTS = { intervalMs: 1_000, confirmMs: 2_000, claimMs: 30_000 }

/** The worker's side of presence: cleans up after dead gateways and reports who went offline. Any number may run. */
export class Reaper {
  readonly #options: Required<ReaperOptions>
  /** When each incarnation was first seen without its lease, by `performance.now()`. */
  readonly #missingSince = new Map<string, number>()
  /** Incarnations that the last round did not find to be dead with certainty. */
  #living = new Set<string>()
  readonly #loop: WorkLoop
  #leases = { alive: 0, dead: 0 }

  constructor(options: ReaperOptions) {
    const onReturn = async () => undefined
    this.#options = { ...defaultTiming, ...DEFAULTS, onReturn, onError: () => undefined, ...options }
    const { intervalMs, onError } = this.#options
    this.#loop = new WorkLoop({ round: () => this.#round(), idleMs: intervalMs, onError })
  }

  /** Number of gateway leases in the last round: those held, and those that have expired and are being cleaned up. */
  get leases(): Readonly<{ alive: number; dead: number }> {
    return this.#leases
  }

  start(): void {
    this.#loop.start()
  }

  /** Resolves when the current round has ended. */
  stop(): Promise<void> {
    return this.#loop.stop()
  }

  /** @returns false: whatever is left waits for the next round */
  async #round(): Promise<boolean> {
    await this.#removeDead()
    await this.#reportLeavers()
    return false
  }

  async #findDead(): Promise<string[]> {
    const { redis, confirmMs } = this.#options
    const incarnations = await redis.smembers(incarnationsKey)
    const alive = await aliveOf(redis, incarnations)
    const missing = new Set(incarnations.filter((incarnation) => !alive.has(incarnation)))
    this.#leases = { alive: alive.size, dead: missing.size }
    const now = performance.now()
    for (const incarnation of this.#missingSince.keys()) {
      if (!missing.has(incarnation)) this.#missingSince.delete(incarnation)
    }
    for (const incarnation of missing) {
      if (!this.#missingSince.has(incarnation)) this.#missingSince.set(incarnation, now)
    }
    const isDead = (incarnation: string) => now - (this.#missingSince.get(incarnation) ?? now + 1) >= confirmMs
    this.#living = new Set(incarnations.filter((incarnation) => !isDead(incarnation)))
    return incarnations.filter(isDead)
  }

  /** Removes dead incarnations and adds their users to the index of those leaving. Can be interrupted and repeated anywhere. */
  async #removeDead(): Promise<void> {
    const { redis } = this.#options
    const dead = await this.#findDead()
    for (const incarnation of dead) {
      for (let batch = 0; batch < BATCHES_PER_ROUND && !this.#loop.stopped; batch += 1) {
        const people = await redis.srandmember(peopleKey(incarnation), BATCH)
        if (people.length === 0) {
          await redis.srem(incarnationsKey, incarnation)
          break
        }
        await forEachUser(people, async (userId) => {
          const [state, remaining] = await this.#judge(userId, dead)
          const due = state === 'leaving' ? Number(remaining) : 0
          if (state === 'leaving' || state === 'offline') await run(redis, leaveScript, leavingKey, due, userId)
        })
        await redis.srem(peopleKey(incarnation), ...people)
      }
    }
  }

  async #reportLeavers(): Promise<void> {
    const { redis, claimMs, onError } = this.#options
    for (let batch = 0; batch < BATCHES_PER_ROUND && !this.#loop.stopped; batch += 1) {
      const [claim, ...people] = texts(await run(redis, claimScript, leavingKey, BATCH, claimMs))
      if (claim === undefined || people.length === 0) return
      await forEachUser(people, async (userId) => {
        // A claim that is not settled expires, and the user is due again.
        if (!this.#loop.stopped) await this.#report(userId, claim).catch(onError)
      })
    }
  }

  async #report(userId: string, claim: string): Promise<void> {
    const { redis, onOffline, onReturn } = this.#options
    const incarnations = incarnationsIn(await redis.hgetall(userKey(userId)))
    const alive = await aliveOf(redis, incarnations)
    const dead = incarnations.filter((incarnation) => !alive.has(incarnation) && !this.#living.has(incarnation))
    const [state, value = ''] = await this.#judge(userId, dead)
    if (state === 'offline') {
      await onOffline(userId, new Date(Number(value)))
      const forgotten = await run(redis, forgetScript, userKey(userId), value)
      if (forgotten !== 1) await onReturn(userId)
    }
    const again = state === 'leaving' ? Number(value) : -1
    await run(redis, settleScript, leavingKey, userId, claim, again)
  }

  async #judge(userId: string, dead: readonly string[]): Promise<string[]> {
    const { redis, graceMs, leaseMs } = this.#options
    return texts(await run(redis, judgeScript, userKey(userId), graceMs, leaseMs, ...dead))
  }
}

async function forEachUser(userIds: readonly string[], work: (userId: string) => Promise<void>): Promise<void> {
  for (const batch of partsOf(userIds, WIDTH)) await Promise.all(batch.map(work))
}

function texts(answer: unknown): string[] {
  return Array.isArray(answer) ? answer.map(String) : []
}
