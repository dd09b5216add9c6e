import { type Entry, leaseKey, parseUser, userKey } from './keys.ts'
import { aliveOf, type Command, type PresenceRedis, runMany } from './redis.ts'
import { defaultTiming, type PresenceTiming } from './states.ts'

/** Reads presence. Every method rejects when Redis does: what to show then is for the caller to say. */
export interface PresenceReader {
  /** Those of these people who are online or leaving (see states.ts). */
  online(userIds: readonly string[]): Promise<Set<string>>
  /** Those of these people who look at the application now: with a live connection that is visible. */
  foreground(userIds: readonly string[]): Promise<Set<string>>
  /** Those of these epochs whose gateway process is alive. */
  epochAlive(epochs: readonly string[]): Promise<Set<string>>
}

export interface PresenceReaderOptions extends Partial<Pick<PresenceTiming, 'graceMs'>> {
  redis: PresenceRedis
}

interface Person {
  userId: string
  entries: Entry[]
  leaving: boolean
}

/** Two round trips for any number of people: their hashes with the clock, then the leases named in them. */
export function createPresenceReader(options: PresenceReaderOptions): PresenceReader {
  const { redis, graceMs = defaultTiming.graceMs } = options

  async function read(userIds: readonly string[]): Promise<{ people: Person[]; alive: Set<string> }> {
    const asked = [...new Set(userIds)]
    if (asked.length === 0) return { people: [], alive: new Set() }
    const [[seconds, micros], hashes] = await Promise.all([
      redis.time(),
      runMany(
        redis,
        asked.map((userId): Command => ['hgetall', userKey(userId)]),
      ),
    ])
    const now = Number(seconds) * 1_000 + Number(micros) / 1_000
    const people = asked.map((userId, index): Person => {
      const { entries, left } = parseUser(asHash(hashes[index]))
      return { userId, entries, leaving: left !== null && left + graceMs > now }
    })
    const incarnations = people.flatMap(({ entries }) => entries.map(({ incarnation }) => incarnation))
    return { people, alive: await aliveOf(redis, incarnations) }
  }

  async function select(
    userIds: readonly string[],
    holds: (person: Person, alive: Set<string>) => boolean,
  ): Promise<Set<string>> {
    const { people, alive } = await read(userIds)
    return new Set(people.filter((person) => holds(person, alive)).map(({ userId }) => userId))
  }

  return {
    online: (userIds) =>
      select(
        userIds,
        (person, alive) => person.leaving || person.entries.some((entry) => alive.has(entry.incarnation)),
      ),
    foreground: (userIds) =>
      select(userIds, ({ entries }, alive) => entries.some((entry) => entry.visible && alive.has(entry.incarnation))),
    async epochAlive(epochs) {
      const asked = [...new Set(epochs)]
      const found = await runMany(
        redis,
        asked.map((epoch): Command => ['exists', leaseKey(epoch)]),
      )
      return new Set(asked.filter((_epoch, index) => found[index] === 1))
    },
  }
}

/** HGETALL as a pipeline (an object) and as a lone call (field and value by turns) answer it. */
function asHash(answer: unknown): Record<string, string> {
  if (Array.isArray(answer)) {
    const hash: Record<string, string> = {}
    for (let i = 0; i + 1 < answer.length; i += 2) hash[String(answer[i])] = String(answer[i + 1])
    return hash
  }
  return answer !== null && typeof answer === 'object' ? (answer as Record<string, string>) : {}
}
