import { type Entry, leaseKey, userKey } from './keys.ts'
import { aliveOf, type Command, type PresenceRedis, runMany, runOnEach } from './redis.ts'
import { readScript } from './scripts.ts'
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

/** Two round trips for any number of people: their connections, then the leases named in them. */
export function createPresenceReader(options: PresenceReaderOptions): PresenceReader {
  const { redis, graceMs = defaultTiming.graceMs } = options

  async function read(userIds: readonly string[]): Promise<{ people: Person[]; alive: Set<string> }> {
    const asked = [...new Set(userIds)]
    if (asked.length === 0) return { people: [], alive: new Set() }
    const found = await runOnEach(redis, readScript, asked.map(userKey), graceMs)
    const people = asked.map((userId, index) => parsePerson(userId, String(found[index] ?? '')))
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

/** From what {@link readScript} answers. */
function parsePerson(userId: string, text: string): Person {
  const [leaving, ...connections] = text.split('\n')
  const entries = connections.map((line): Entry => {
    const end = line.lastIndexOf(':')
    return { incarnation: line.slice(0, end), visible: line.endsWith('1') }
  })
  return { userId, entries, leaving: leaving === '1' }
}
