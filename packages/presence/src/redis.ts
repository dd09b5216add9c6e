import { createHash } from 'node:crypto'
import type { RedisClient } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { Cluster } from 'ioredis'
import { epochOf, leaseKey } from './keys.ts'

/** A Lua script. On Redis Cluster, all keys of one call must be in the same slot. */
export interface Script {
  readonly source: string
  readonly sha: string
}

/** Builds a Lua script with the SHA-1 by which Redis caches it. */
export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Runs a script on one key. */
export function run(redis: RedisClient, script: Script, key: string, ...args: (string | number)[]): Promise<unknown> {
  return runOn(redis, script, [key], args)
}

/**
 * Runs a script that returns one item for each of its keys, on any number of keys: with a few commands on a single Redis, with
 * one concurrent command per key on a Cluster.
 */
export async function runOnEach(
  redis: RedisClient,
  script: Script,
  keys: readonly string[],
  ...args: (string | number)[]
): Promise<unknown[]> {
  const width = redis instanceof Cluster ? 1 : KEYS_PER_CALL
  const calls = [...partsOf(keys, width)].map((part) => runOn(redis, script, part, args))
  return (await Promise.all(calls)).flat()
}

/** Calls a script by its hash; sends the source only to a Redis that does not have it cached. */
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

/** A script blocks Redis while it runs; this many keys take about a millisecond. */
const KEYS_PER_CALL = 500

/** Returns those of the incarnations that hold their lease. */
export async function aliveOf(redis: RedisClient, incarnations: Iterable<string>): Promise<Set<string>> {
  const unique = [...new Set(incarnations)]
  const holders = await getEach(
    redis,
    unique.map((incarnation) => leaseKey(epochOf(incarnation))),
  )
  return new Set(unique.filter((incarnation, index) => holders[index] === incarnation))
}

/** Reads keys: with one command on a single Redis, with one concurrent command per key on a Cluster. */
async function getEach(redis: RedisClient, keys: readonly string[]): Promise<(string | null)[]> {
  if (redis instanceof Cluster) return Promise.all(keys.map((key) => redis.get(key)))
  return keys.length === 0 ? [] : redis.mget([...keys])
}
