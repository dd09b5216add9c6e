import type { RedisState } from '@parley/runtime'
import type { Cluster, Redis } from 'ioredis'

const tracked = new Map<Redis | Cluster, { name: string; made: number; errors: number }>()

/** Counts a connection's (re)connects and errors until it has ended for good. */
export function track(name: string, client: Redis | Cluster): void {
  const counts = { name, made: 0, errors: 0 }
  tracked.set(client, counts)
  client.on('ready', () => counts.made++)
  client.on('error', () => counts.errors++)
  client.on('end', () => tracked.delete(client))
}

/** Returns the state of every connection of this process. Connections of the same name, as to a cluster's nodes, are merged. */
export function redisConnections(): RedisState[] {
  const byName = Map.groupBy(tracked, ([, { name }]) => name)
  return [...byName].map(([name, group]) => ({
    name,
    up: group.every(([{ status }]) => status === 'ready'),
    reconnects: group.reduce((sum, [, { made }]) => sum + Math.max(0, made - 1), 0),
    errors: group.reduce((sum, [, { errors }]) => sum + errors, 0),
  }))
}
