import { incarnationsIn, incarnationsKey, leavingKey, peopleKey, userKey } from './keys.ts'
import { aliveOf, type PresenceRedis, run } from './redis.ts'
import { claimScript, forgetScript, judgeScript, leaveScript, settleScript } from './scripts.ts'
import { defaultTiming, type PresenceTiming } from './states.ts'

export interface ReaperOptions extends Partial<PresenceTiming> {
  redis: PresenceRedis
  /** Milliseconds between two looks. Default 1000. */
  intervalMs?: number
  /**
   * Milliseconds for which a lease must be seen missing before its people are cleaned up. Default 2000. After an outage
   * of Redis that outlasted the leases, it gives the gateways the time to take them anew.
   */
  confirmMs?: number
  /** Milliseconds after which a person whom a reaper took and did not finish with is due again. Default 30000. */
  claimMs?: number
  /**
   * A person went offline. `lastSeenAt` is when the last connection closed or, after a gateway's death, about when it
   * last renewed its lease. Called once for each time; again after `claimMs` if it rejects or the process dies in it.
   */
  onOffline: (userId: string, lastSeenAt: Date) => Promise<void>
  /** The person came back while `onOffline` ran: what was told of them may have arrived after they were told online. */
  onReturn?: (userId: string) => Promise<void>
  onError?: (error: unknown) => void
}

export interface Reaper {
  start(): void
  /** Resolves when the look under way has ended. */
  stop(): Promise<void>
  /** Gateways' leases as the last look saw them: those that stand, and those that have run out and are being cleaned up. */
  readonly leases: Readonly<{ alive: number; dead: number }>
}

/** People taken at once, and how many of them are seen to side by side. */
const batchSize = 200
const width = 20
/** Batches in one look at most; the next look goes on from there. */
const batchesPerLook = 100

/** The worker's part in presence: cleans up after dead gateways and reports who went offline. Any number may run. */
export function createReaper(options: ReaperOptions): Reaper {
  const { redis, intervalMs = 1_000, confirmMs = 2_000, claimMs = 30_000, onOffline, onReturn } = options
  const { leaseMs = defaultTiming.leaseMs, graceMs = defaultTiming.graceMs } = options
  const onError = options.onError ?? (() => undefined)
  /** When each incarnation was first seen without its lease, by `performance.now()`. */
  const missingSince = new Map<string, number>()
  /** Those that the last look did not find dead for sure. */
  let living = new Set<string>()
  let timer: NodeJS.Timeout | undefined
  let looking: Promise<void> | null = null
  let stopped = false
  let leases = { alive: 0, dead: 0 }

  const judge = async (userId: string, dead: readonly string[]): Promise<string[]> =>
    texts(await run(redis, judgeScript, userKey(userId), graceMs, leaseMs, ...dead))

  async function findDead(): Promise<string[]> {
    const incarnations = await redis.smembers(incarnationsKey)
    const alive = await aliveOf(redis, incarnations)
    const missing = new Set(incarnations.filter((incarnation) => !alive.has(incarnation)))
    leases = { alive: alive.size, dead: missing.size }
    for (const incarnation of missingSince.keys()) if (!missing.has(incarnation)) missingSince.delete(incarnation)
    for (const incarnation of missing) {
      if (!missingSince.has(incarnation)) missingSince.set(incarnation, performance.now())
    }
    const isDead = (incarnation: string) =>
      performance.now() - (missingSince.get(incarnation) ?? Number.POSITIVE_INFINITY) >= confirmMs
    living = new Set(incarnations.filter((incarnation) => !isDead(incarnation)))
    return [...missing].filter((incarnation) => !living.has(incarnation))
  }

  /** Strikes dead incarnations off, their people handed to the index of those who leave. Can be repeated at any point. */
  async function buryDead(): Promise<void> {
    const dead = await findDead()
    for (const incarnation of dead) {
      for (let batch = 0; batch < batchesPerLook && !stopped; batch += 1) {
        const people = await redis.srandmember(peopleKey(incarnation), batchSize)
        if (people.length === 0) {
          await redis.srem(incarnationsKey, incarnation)
          break
        }
        await sideBySide(people, async (userId) => {
          const [state, remaining] = await judge(userId, dead)
          const due = state === 'leaving' ? Number(remaining) : 0
          if (state === 'leaving' || state === 'offline') await run(redis, leaveScript, leavingKey, due, userId)
        })
        await redis.srem(peopleKey(incarnation), ...people)
      }
    }
  }

  async function reportLeavers(): Promise<void> {
    for (let batch = 0; batch < batchesPerLook && !stopped; batch += 1) {
      const [claim, ...people] = texts(await run(redis, claimScript, leavingKey, batchSize, claimMs))
      if (claim === undefined || people.length === 0) return
      await sideBySide(people, async (userId) => {
        // A claim that is not settled runs out, and the person is due again.
        if (!stopped) await report(userId, claim).catch(onError)
      })
    }
  }

  async function report(userId: string, claim: string): Promise<void> {
    const incarnations = incarnationsIn(await redis.hgetall(userKey(userId)))
    const alive = await aliveOf(redis, incarnations)
    const dead = incarnations.filter((incarnation) => !alive.has(incarnation) && !living.has(incarnation))
    const [state, value = ''] = await judge(userId, dead)
    if (state === 'offline') {
      await onOffline(userId, new Date(Number(value)))
      const forgotten = await run(redis, forgetScript, userKey(userId), value)
      if (forgotten !== 1) await onReturn?.(userId)
    }
    const again = state === 'leaving' ? Number(value) : -1
    await run(redis, settleScript, leavingKey, userId, claim, again)
  }

  async function look(): Promise<void> {
    await buryDead()
    await reportLeavers()
  }

  function tick(): void {
    looking = look()
      .catch(onError)
      .finally(() => {
        looking = null
        if (!stopped) timer = setTimeout(tick, intervalMs)
      })
  }

  return {
    get leases() {
      return leases
    },
    start: tick,
    async stop() {
      stopped = true
      clearTimeout(timer)
      await looking
    },
  }
}

async function sideBySide(people: readonly string[], work: (userId: string) => Promise<void>): Promise<void> {
  for (let start = 0; start < people.length; start += width) {
    await Promise.all(people.slice(start, start + width).map(work))
  }
}

function texts(answer: unknown): string[] {
  return Array.isArray(answer) ? answer.map(String) : []
}
