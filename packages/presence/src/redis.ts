import { createHash } from 'node:crypto'
import { Cluster, type Redis } from 'ioredis'
import { epochOf, leaseKey } from './keys.ts'

export type PresenceRedis = Redis | Cluster

/** A Lua script on one key. */
export interface Script {
  readonly source: string
  readonly sha: string
}

export function script(source: string): Script {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}

/** Runs a script by its hash, and sends its text only to a Redis that does not have it. */
export async function run(
  redis: PresenceRedis,
  { sha, source }: Script,
  key: string,
  ...args: (string | number)[]
): Promise<unknown> {
  try {
    return await redis.evalsha(sha, 1, key, ...args)
  } catch (error) {
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error
    return redis.eval(source, 1, key, ...args)
  }
}

export type Command = readonly [name: string, ...args: (string | number)[]]

/** Commands in one write on a lone Redis. On Cluster, where a pipeline may touch one node only, they run side by side. */
const commandsPerWrite = 1_000

/**
 * Answers of many commands, in their order.
 * @throws the first error among them.
 */
export async function runMany(redis: PresenceRedis, commands: readonly Command[]): Promise<unknown[]> {
  const answers: unknown[] = []
  for (let start = 0; start < commands.length; start += commandsPerWrite) {
    const chunk = commands.slice(start, start + commandsPerWrite)
    answers.push(...(await runChunk(redis, chunk)))
  }
  return answers
}

async function runChunk(redis: PresenceRedis, commands: readonly Command[]): Promise<unknown[]> {
  if (redis instanceof Cluster) return Promise.all(commands.map(([name, ...args]) => redis.call(name, ...args)))
  const results = (await redis.pipeline(commands.map((command) => [...command])).exec()) ?? []
  return results.map(([error, answer]) => {
    if (error) throw error
    return answer
  })
}

/** Which of these incarnations hold their lease. */
export async function aliveOf(redis: PresenceRedis, incarnations: Iterable<string>): Promise<Set<string>> {
  const asked = [...new Set(incarnations)]
  const holders = await runMany(
    redis,
    asked.map((incarnation): Command => ['get', leaseKey(epochOf(incarnation))]),
  )
  return new Set(asked.filter((incarnation, index) => holders[index] === incarnation))
}
