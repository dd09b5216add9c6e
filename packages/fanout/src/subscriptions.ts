import { openRedis, type RedisAddress, type RedisClient, type RedisOptions } from '@parley/redis'
import { partsOf } from '@parley/runtime/parts'
import { Cluster } from 'ioredis'
import { ChannelConnection } from './channel-connection.ts'
import { ClusterSubscriptions } from './cluster-subscriptions.ts'

/** A subscriber of any number of channels. It comes back by itself, and never fails for good. */
export interface Subscriptions {
  /** Every connection that is needed stands. */
  readonly healthy: boolean
  /** Resolves when it is healthy for the first time; rejects after `timeoutMs`. */
  ready(timeoutMs: number): Promise<void>
  subscribe(channels: readonly string[]): void
  unsubscribe(channels: readonly string[]): void
  /** Whether all that was asked for so far is known to be in force within `timeoutMs`. */
  ping(timeoutMs: number): Promise<boolean>
  close(): void
}

export interface SubscriptionsOptions {
  connection: RedisOptions & { onError: (error: Error) => void }
  /** All channels that are to be subscribed now. */
  wanted: () => Iterable<string>
  onMessage: (channel: string, payload: Buffer) => void
  /** Something may have been missed; all channels are in force again. */
  onRestored: () => void
}

const CHANNELS_A_COMMAND = 1_000

/** @param publisher a client of the same Redis; of a cluster it tells where the slots are */
export function openSubscriptions(
  address: RedisAddress,
  publisher: RedisClient,
  options: SubscriptionsOptions,
): Subscriptions {
  if (publisher instanceof Cluster) return new ClusterSubscriptions(address, publisher, options)
  const { connection, wanted, onMessage, onRestored } = options
  const redis = openRedis(address, connection)
  const commandsOf = (channels: readonly string[]) => partsOf(channels, CHANNELS_A_COMMAND)
  const onRefused = (error: unknown) => connection.onError(asError(error))
  return new ChannelConnection({ redis, wanted, commandsOf, onMessage, onRestored, onRefused })
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
