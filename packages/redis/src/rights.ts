import { SettingsError } from '@parley/runtime/config'
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './open.ts'

/** One of each kind of commands, keys and channels that processes use. No key or channel is anybody's. Subscribing comes last. */
const TRIALS = [
  ['info'],
  ['eval', 'return 1', 1, 'presence:nobody'],
  ['eval', 'return 1', 1, '{parley}:nobody'],
  ['del', 'parley:nobody'],
  ['spublish', 'socket.io#/#nobody#', ''],
  ['spublish', 'parley:nobody', ''],
  ['ssubscribe', 'socket.io#/#nobody#'],
  ['ssubscribe', 'parley:nobody'],
] as const
/** What Redis says of a command that it does not know (before 7, or renamed), and of one that the user may not run. */
const REFUSALS = /^(NOPERM |ERR unknown command)/
const ANSWER_MS = 5_000

/**
 * Tries on a connection of its own what the user of `redis`, which is connected, has to be allowed. Where the commands are known
 * and allowed, what else Redis says to them counts for nothing: that a key is another node's, or that it is full.
 * @returns what of Redis' settings should be otherwise, in words; undefined where nothing is known to be wrong
 * @throws SettingsError where a command, a key or a channel is refused; names it and what Redis says
 */
export async function requireRights(redis: RedisClient): Promise<string | undefined> {
  const [node] = redis instanceof Cluster ? redis.nodes('master') : [redis]
  if (node === undefined) throw new Error('The Redis Cluster has no master')
  const trial = node.duplicate({
    lazyConnect: true,
    retryStrategy: null,
    maxRetriesPerRequest: 0,
    enableAutoPipelining: false,
    commandTimeout: ANSWER_MS,
  })
  trial.on('error', () => undefined)
  try {
    await trial.connect()
    const [info] = await Promise.all(TRIALS.map(([command, ...args]) => attempt(trial, command, args)))
    const policy = /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1] ?? 'noeviction'
    return policy === 'noeviction' ? undefined : `maxmemory-policy is ${policy} and should be noeviction`
  } finally {
    trial.disconnect()
  }
}

async function attempt(trial: Redis, command: string, args: readonly (string | number)[]): Promise<unknown> {
  try {
    return await trial.call(command, ...args)
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error)
    if (!REFUSALS.test(said)) return undefined
    const asked = [command.toUpperCase(), ...args].join(' ')
    throw new SettingsError([{ variable: 'REDIS_URL', message: `leads to a Redis that refuses “${asked}”: ${said}` }])
  }
}
