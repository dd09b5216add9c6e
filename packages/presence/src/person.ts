import type { RedisClient } from '@parley/redis'
import { entryValue, leavingKey, peopleKey, userKey } from './keys.ts'
import { aliveOf, run } from './redis.ts'
import { assertScript, leaveScript } from './scripts.ts'

export interface Connection {
  readonly visible: boolean
  /** When it came, in ms by this process' clock. */
  readonly since: number
}

/** What a gateway holds of one person. The table of these is what is true; Redis follows it. */
export interface Person {
  readonly connections: Map<string, Connection>
  /** `connect` calls that wait for the next write; false from one that has given up. */
  waiting: ((becameOnline: boolean) => boolean)[]
  /** The connections have changed since the last write that succeeded. */
  dirty: boolean
  /** The write under way; never two at once, so that they cannot overtake each other. */
  writing: Promise<void> | null
  /** The incarnation whose set of people this person is in. */
  registered: string | null
  /** Whether it has been told, or was not to be told, that the person is online. */
  announced: boolean
  /** Redis took the person for offline although they were announced: to be told if the next renewal finds the lease lost. */
  owed: boolean
}

/** Somebody of whom nothing is known yet. */
export function newPerson(): Person {
  return {
    connections: new Map(),
    waiting: [],
    dirty: false,
    writing: null,
    registered: null,
    announced: false,
    owed: false,
  }
}

interface Write {
  userId: string
  epoch: string
  incarnation: string
  graceMs: number
  /** How much longer than the grace a person who leaves has to come back, in ms. */
  lingerMs: number
  person: Person
}

/**
 * Brings Redis to what this gateway knows of a person. Can be repeated. Answers whether the person was offline before
 * and is online now.
 *
 * Of first connections on two gateways at once, the script that runs second sees the entry of the first, whose lease is
 * alive: one of the two is told that the person was offline.
 */
export async function writePerson(
  redis: RedisClient,
  { userId, epoch, incarnation, graceMs, lingerMs, person }: Write,
): Promise<boolean> {
  const connections = [...person.connections]
  // Into the set first: whoever is in a hash can be found when this process has died.
  if (connections.length > 0 && person.registered !== incarnation) {
    await redis.sadd(peopleKey(incarnation), userId)
    person.registered = incarnation
  }
  const entries = connections.flatMap(([id, { visible, since }]) => [id, entryValue(visible, since)])
  const times = [graceMs, lingerMs]
  const answer = await run(redis, assertScript, userKey(userId), `${epoch}.`, incarnation, ...times, ...entries)
  if (connections.length === 0) {
    // Out of the set last, for the same reason.
    await run(redis, leaveScript, leavingKey, graceMs + lingerMs, userId)
    await redis.srem(peopleKey(incarnation), userId)
    person.registered = null
    return false
  }
  const [wasOnline, wasHere, ...others] = Array.isArray(answer) ? answer.map(String) : []
  // Written before they were announced: by an attempt whose answer was lost.
  if (wasOnline === '1' || (wasHere === '1' && person.announced)) return false
  return (await aliveOf(redis, others)).size === 0
}
