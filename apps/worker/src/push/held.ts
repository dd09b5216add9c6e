import type { RedisClient } from '@parley/redis'

const keyOf = (summaryId: string) => `parley:push:held:${summaryId}`
const EARLIEST = 'earliest'

/** A summary that is put off, or run again, still finds its beginning: kept this long past the hours' end, milliseconds. */
const KEPT_MS = 48 * 3_600_000

/**
 * Notes when a message was stored that a summary is to tell of. Jobs run in any order, and the one that queues the summary
 * need not be that of the first message: of all that are noted, the earliest counts.
 */
export async function noteHeld(redis: RedisClient, summaryId: string, sentAt: number, until: number): Promise<void> {
  await redis.zadd(keyOf(summaryId), 'LT', sentAt, EARLIEST)
  await redis.pexpireat(keyOf(summaryId), until + KEPT_MS)
}

/** From when on a summary tells of messages: `known`, or earlier if that was noted; ISO 8601. */
export async function heldSince(redis: RedisClient, summaryId: string, known: string): Promise<string> {
  const noted = await redis.zscore(keyOf(summaryId), EARLIEST)
  return noted === null ? known : new Date(Math.min(Number(noted), Date.parse(known))).toISOString()
}

/** The summary has been made. */
export async function forgetHeld(redis: RedisClient, summaryId: string): Promise<void> {
  await redis.del(keyOf(summaryId))
}
