import type { MemberKey } from '@parley/db'
import { Later } from '@parley/queue'
import type { RedisClient } from '@parley/redis'

/** A turn ends by itself after this long, in milliseconds: well past the longest that a push service may keep a job. */
const TURN_MS = 60_000
/** One that took longer is left to end by itself: it may be another's by then. */
const SAFE_MS = 45_000
const WAIT_MS = 200

/** A person's notification of a conversation, as the subject of a turn. */
export function notificationOf({ conversationId, userId }: MemberKey): string {
  return `${conversationId}:${userId}`
}

/** A person's summary, as the subject of a turn. */
export function summaryOf(userId: string): string {
  return `digest:${userId}`
}

/**
 * Jobs about the same notification take turns, across all workers: the second finds what the first has recorded. A job
 * that a killed process left behind finds its own turn, which begins anew.
 * @param subject what must not be worked on by two at once
 * @param work its turn ends with it: nothing of it may go on after that
 * @throws {Later} while it is another job's turn
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
  // What the killed process has used up of it would be missing at the end.
  if (holder === jobId) await redis.pexpire(key, TURN_MS)
  try {
    return await work()
  } finally {
    if (performance.now() - began < SAFE_MS) await redis.del(key).catch(() => undefined)
  }
}
