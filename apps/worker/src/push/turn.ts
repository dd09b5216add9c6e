import { Later } from '@parley/queue'
import type { Redis } from 'ioredis'

/** A turn ends by itself after this long, in milliseconds: longer than the slowest push service may keep a job. */
const TURN_MS = 30_000
const WAIT_MS = 200

/** KEYS: turn. ARGV: job, ms. A job that a killed process left behind finds its own turn and goes on with it. */
const TAKE = `
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1`

const END = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

/**
 * Jobs about the same notification take turns, across all workers: the second finds what the first has recorded.
 * @param subject what must not be worked on by two at once
 * @throws {Later} while it is another job's turn
 */
export async function takeTurn<T>(redis: Redis, subject: string, jobId: string, work: () => Promise<T>): Promise<T> {
  const key = `parley:push:turn:${subject}`
  if ((await redis.eval(TAKE, 1, key, jobId, TURN_MS)) !== 1) throw new Later(Date.now() + WAIT_MS)
  try {
    return await work()
  } finally {
    // A turn that cannot be ended now ends by itself.
    await redis.eval(END, 1, key, jobId).catch(() => undefined)
  }
}
