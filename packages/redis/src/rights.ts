import type { Logger } from '@parley/runtime'
import { SettingsError } from '@parley/runtime/config'
import { Cluster, type Redis } from 'ioredis'
import type { RedisClient } from './open.ts'

/** One example of each kind of command, key and channel in use, with keys and channels that nothing uses. Subscriptions last. */
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
/** The errors of Redis for an unknown command (too old, or renamed) and for a command the user is not permitted to run. */
const REFUSALS = /^(NOPERM |ERR unknown command)/
const ANSWER_MS = 5_000

/**
 * Tests on a separate connection whether the user of `redis`, which must be connected, has the permissions that Parley needs.
 * Other errors do not matter here, such as that a key belongs to another node or that memory is full.
 * @param logger gets a warning if Redis is set to evict keys
 * @throws SettingsError if a command, key or channel is refused; its message has the command and the error of Redis
 */
export async function requireRights(redis: RedisClient, logger: Pick<Logger, 'warn'>): Promise<void> {
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
    const [info] = await Promise.all(TRIALS.map(([command, ...args]) => tryCommand(trial, command, args)))
    const policy = /^maxmemory_policy:(\S+)/m.exec(String(info))?.[1] ?? 'noeviction'
    if (policy === 'noeviction') return
    const reason = `maxmemory-policy is ${policy} and should be noeviction`
    logger.warn({ reason }, 'Redis may evict data that must be kept')
  } finally {
    trial.disconnect()
  }
}

async function tryCommand(trial: Redis, command: string, args: readonly (string | number)[]): Promise<unknown> {
  try {
    return await trial.call(command, ...args)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    if (!REFUSALS.test(reason)) return undefined
    const request = [command.toUpperCase(), ...args].join(' ')
    throw new SettingsError([
      { variable: 'REDIS_URL', message: `leads to a Redis that refuses “${request}”: ${reason}` },
    ])
  }
}
