import { openRedis, type RedisAddress, type RedisClient, type RedisOptions } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { Cluster } from 'ioredis'
import { ChannelConnection } from './channel-connection.ts'
import { ClusterSubscriptions } from './cluster-subscriptions.ts'

/** A subscriber for any number of channels. It reconnects automatically and never gives up. */
export interface Subscriptions {
  /** Whether all required connections are up. */
  readonly healthy: boolean
  /** Resolves when it is healthy for the first time; rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>
  subscribe(channels: readonly string[]): void
  unsubscribe(channels: readonly string[]): void
  /** Whether Redis confirms within `timeoutMs` that everything subscribed so far is active. */
  ping(timeoutMs: number): Promise<boolean>
  close(): void
}

export interface SubscriptionsOptions {
  connection: RedisOptions & { onError: (error: Error) => void }
  /** Returns all channels that should be subscribed now. */
  wanted: () => Iterable<string>
  onMessage: (channel: string, payload: Buffer) => void
  /** Messages may have been missed; all subscriptions are active again. */
  onRestored: () => void
}

const CHANNELS_PER_COMMAND = 1_000

/**
 * Opens a subscriber for a Redis or a Redis Cluster.
 * @param publisher a client of the same Redis; for a cluster, the source of the slot map
 */
export function openSubscriptions(
  address: RedisAddress,
  publisher: RedisClient,
  options: SubscriptionsOptions,
): Subscriptions {
  if (publisher instanceof Cluster) return new ClusterSubscriptions(address, publisher, options)
  const { connection, wanted, onMessage, onRestored } = options
  const redis = openRedis(address, connection)
  const commandsOf = (channels: readonly string[]) => partsOf(channels, CHANNELS_PER_COMMAND)
  const onRefused = (error: unknown) => connection.onError(asError(error))
  return new ChannelConnection({ redis, wanted, commandsOf, onMessage, onRestored, onRefused })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
