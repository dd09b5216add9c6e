import { createHash } from 'node:crypto'
import type { RedisClient } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { Cluster } from 'ioredis'
import { epochOf, leaseKey } from './keys.ts'

/** A Lua script; on Redis Cluster, the keys of one call have to share a slot. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** A Lua script, with the SHA-1 by which Redis knows it. */
export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Runs a script on one key. */
export function run(redis: RedisClient, script: Script, key: string, ...args: (string | number)[]): Promise<unknown> {
  return runOn(redis, script, [key], args)
}

/**
 * Runs a script that answers a list with one item for each of its keys, on any number of keys: all in one command on a
 * lone Redis, on Cluster one for each, side by side.
 */
export async function runOnEach(
  redis: RedisClient,
  script: Script,
  keys: readonly string[],
  ...args: (string | number)[]
): Promise<unknown[]> {
  const width = redis instanceof Cluster ? 1 : keysPerCall
  const calls = [...partsOf(keys, width)].map((some) => runOn(redis, script, some, args))
  return (await Promise.all(calls)).flat()
}

/** By its hash; the text is sent only to a Redis that does not have it. */
async function runOn(
  redis: RedisClient,
  { sha, source }: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, keys.length, ...keys, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return redis.eval(source, keys.length, ...keys, ...args)
  }
}

/** A script holds Redis up while it runs; this many keys take it about a millisecond. */
const keysPerCall = 500

/** Which of these incarnations hold their lease. */
export async function aliveOf(redis: RedisClient, incarnations: Iterable<string>): Promise<Set<string>> {
  const asked = [...new Set(incarnations)]
  const holders = await getEach(
    redis,
    asked.map((incarnation) => leaseKey(epochOf(incarnation))),
  )
  return new Set(asked.filter((incarnation, index) => holders[index] === incarnation))
}

/** What each key holds: all in one command on a lone Redis, on Cluster one for each, side by side. */
async function getEach(redis: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  if (redis instanceof Cluster) return Promise.all(keys.map((key) => redis.get(key)))
  return keys.length === 0 ? [] : redis.mget([...keys])
}
