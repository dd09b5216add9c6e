import type { MemberKey } from '@parley/db'
import { Later } from '@parley/queue'
import type { RedisClient } from '@parley/redis'

/** When a turn expires by itself, in milliseconds: well above the longest time that a push service can hold up a job. */
const TURN_MS = 60_000
/** A turn that took longer than this is left to expire: another job may hold it by then. Milliseconds. */
const SAFE_MS = 45_000
const WAIT_MS = 200

/** Returns the subject of a turn for a person's notification of one conversation. */
export function notificationOf({ conversationId, userId }: MemberKey): string {
  return `${conversationId}:${userId}`
}

/** Returns the subject of a turn for a person's summary. */
export function summaryOf(userId: string): string {
  return `digest:${userId}`
}

/**
 * Runs `work` while no other job, on any worker, works on the same subject, so that the next job sees what this one records. A
 * job that is rerun after its process was killed still holds its turn and starts it over.
 * @param work must not leave anything running when it settles: the turn ends then
 * @throws {Later} while another job has the turn
 */
export async function takeTurn<T>(
  redis: RedisClient,
  subject: string,
  jobId: string,
  work: () => Promise<T>,
): Promise<T> {
  const key = `parley:push:turn:${subject}`
  const began = performance.now()
  const holder = await redis.set(key, jobId, 'PX', TURN_MS, 'NX', 'GET')
  if (holder !== null && holder !== jobId) throw new Later(Date.now() + WAIT_MS)
  // The killed process used up part of the turn: start over with the full time.
  if (holder === jobId) await redis.pexpire(key, TURN_MS)
  try {
    return await work()
  } finally {
    if (performance.now() - began < SAFE_MS) await redis.del(key).catch(() => undefined)
  }
}
