import type { RedisClient } from '@parley/redis'

const keyOf = (summaryId: string) => `parley:push:held:${summaryId}`
const EARLIEST = 'earliest'

/** How long past the end of quiet hours the start time is kept, for summaries that are postponed or retried; milliseconds. */
const KEPT_MS = 48 * 3_600_000

/**
 * Records that a message is held back for a summary. Jobs run in any order, and the job that queues the summary need not be
 * the first message's, so the earliest recorded time counts.
 */
export async function noteHeld(redis: RedisClient, summaryId: string, sentAt: number, until: number): Promise<void> {
  await redis.zadd(keyOf(summaryId), 'LT', sentAt, EARLIEST)
  await redis.pexpireat(keyOf(summaryId), until + KEPT_MS)
}

/** Returns the time from which a summary includes messages (ISO 8601): the earliest recorded one, or `known` if earlier. */
export async function heldSince(redis: RedisClient, summaryId: string, known: string): Promise<string> {
  const noted = await redis.zscore(keyOf(summaryId), EARLIEST)
  return noted === null ? known : new Date(Math.min(Number(noted), Date.parse(known))).toISOString()
}

/** Removes the record once the summary has been sent. */
export async function forgetHeld(redis: RedisClient, summaryId: string): Promise<void> {
  await redis.del(keyOf(summaryId))
}
