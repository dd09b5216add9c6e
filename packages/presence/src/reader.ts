import type { RedisClient } from '@parley/redis'
import { noAnswer, within } from '@parley/runtime/within'
import { type Entry, userKey } from './keys.ts'
import { aliveOf, runOnEach } from './redis.ts'
import { readScript } from './scripts.ts'
import { defaultTiming, type PresenceTiming } from './states.ts'

/** Reads presence. All methods reject if Redis fails or is late: the caller decides what to show then. */
export interface PresenceReader {
  /** Returns those of `userIds` who are online or leaving (see states.ts). */
  online(userIds: readonly string[]): Promise<Set<string>>
  /** Returns those of `userIds` who are looking at the application now: with a live, visible connection. */
  foreground(userIds: readonly string[]): Promise<Set<string>>
}

export interface PresenceReaderOptions extends Partial<Pick<PresenceTiming, 'graceMs'>> {
  redis: RedisClient
  /**
   * Milliseconds that an answer may take. The Redis client's own timeout does not bound it: a pipelined command first waits for
   * those before it, and an answer takes two round trips. Default 2000.
   */
  answerMs?: number
}

interface Person {
  userId: string
  entries: Entry[]
  leaving: boolean
}

/** Creates a reader. A read takes two round trips for any number of users: their connections, then the leases of those. */
export function createPresenceReader(options: PresenceReaderOptions): PresenceReader {
  const { redis, graceMs = defaultTiming.graceMs, answerMs = 2_000 } = options

  async function read(userIds: readonly string[]): Promise<{ people: Person[]; alive: Set<string> }> {
    const unique = [...new Set(userIds)]
    if (unique.length === 0) return { people: [], alive: new Set() }
    const found = await runOnEach(redis, readScript, unique.map(userKey), graceMs)
    const people = unique.map((userId, index) => parsePerson(userId, String(found[index] ?? '')))
    const incarnations = people.flatMap(({ entries }) => entries.map(({ incarnation }) => incarnation))
    return { people, alive: await aliveOf(redis, incarnations) }
  }

  async function select(
    userIds: readonly string[],
    holds: (person: Person, alive: Set<string>) => boolean,
  ): Promise<Set<string>> {
    const { people, alive } = await within(answerMs, read(userIds), noAnswer('Redis', answerMs))
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
  }
}

/** Parses one item of the answer of {@link readScript}. */
function parsePerson(userId: string, text: string): Person {
  const [leaving, ...connections] = text.split('\n')
  const entries = connections.map((line): Entry => {
    const end = line.lastIndexOf(':')
    return { incarnation: line.slice(0, end), visible: line.endsWith('1') }
  })
  return { userId, entries, leaving: leaving === '1' }
}
