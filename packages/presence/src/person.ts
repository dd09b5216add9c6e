import type { RedisClient } from '@parley/redis'
import { entryValue, leavingKey, peopleKey, userKey } from './keys.ts'
import { aliveOf, run } from './redis.ts'
import { assertScript, leaveScript } from './scripts.ts'

export interface Connection {
  readonly visible: boolean
  /** When it was opened, in milliseconds since 1970 by this process' clock. */
  readonly since: number
}

/** A gateway's state of one user. The table of these is authoritative; Redis follows it. */
export interface Person {
  readonly connections: Map<string, Connection>
  /** Callbacks of `connect` calls that wait for the next write; they return false if the call has given up. */
  waiting: ((becameOnline: boolean) => boolean)[]
  /** The connections have changed since the last write that succeeded. */
  dirty: boolean
  /** The write in progress; only one at a time, so that writes cannot overtake each other. */
  writing: Promise<void> | null
  /** The incarnation whose set of users this one is in. */
  registered: string | null
  /** Whether it was announced that the user is online, or did not need to be. */
  announced: boolean
  /** Redis had the user as offline although they were announced: announce again if the next renewal finds the lease lost. */
  owed: boolean
}

/** Returns a user without connections. */
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
  /** How much longer than the grace a user who disconnects has to come back, in milliseconds. */
  lingerMs: number
  person: Person
}

/**
 * Writes this gateway's state of a user to Redis. Idempotent. Returns whether the user was offline before and is online now.
 *
 * If a user first connects on two gateways at once, the script that runs second sees the entry of the first, whose lease is
 * alive: only one of the two finds that the user was offline.
 */
export async function writePerson(
  redis: RedisClient,
  { userId, epoch, incarnation, graceMs, lingerMs, person }: Write,
): Promise<boolean> {
  const connections = [...person.connections]
  // Into the set first, so that everybody with entries in a hash can be found after this process has died.
  if (connections.length > 0 && person.registered !== incarnation) {
    await redis.sadd(peopleKey(incarnation), userId)
    person.registered = incarnation
  }
  const entries = connections.flatMap(([id, { visible, since }]) => [id, entryValue(visible, since)])
  const delays = [graceMs, lingerMs]
  const answer = await run(redis, assertScript, userKey(userId), `${epoch}.`, incarnation, ...delays, ...entries)
  if (connections.length === 0) {
    // Out of the set last, for the same reason.
    await run(redis, leaveScript, leavingKey, graceMs + lingerMs, userId)
    await redis.srem(peopleKey(incarnation), userId)
    person.registered = null
    return false
  }
  const [wasOnline, wasHere, ...others] = Array.isArray(answer) ? answer.map(String) : []
  // If not announced, these entries are from an attempt whose answer was lost, so the user has yet to be announced.
  if (wasOnline === '1' || (wasHere === '1' && person.announced)) return false
  return (await aliveOf(redis, others)).size === 0
}
