import { backoffMs } from '@parley/runtime/backoff'
import { type RedisOptions as ClientOptions, Cluster, type ClusterNode, type ClusterOptions, Redis } from 'ioredis'
import { parseAddress, type RedisAddress } from './address.ts'
import { track } from './connections.ts'
import { renewWhenSilent } from './heartbeat.ts'
import { SLOTS } from './slot.ts'
import { StandaloneRedis } from './standalone.ts'

export type RedisClient = Redis | Cluster

export interface RedisOptions {
  /** The name shown in CLIENT LIST. */
  name: string
  /** Called with the errors of the connection, or of those to a cluster's nodes. Lost connections are retried indefinitely. */
  onError?: (error: Error) => void
  /** How long a command may take from when it is written, in milliseconds. Default: no limit. */
  commandTimeoutMs?: number
  /** The connection is for blocking commands, so silence is normal. Any other connection reconnects when it falls silent. */
  blocks?: true
  /** How many times a command is sent again on a new connection; null: no limit. Default 1. */
  retries?: number | null
  /** Whether to queue commands while there is no connection. A cluster never does: wait for {@link redisReady}. Default true. */
  queued?: boolean
  /**
   * Sends all commands of a turn of the event loop, except these, as one pipeline, after the previous one is answered.
   * `standaloneOnly`: not on a cluster, where pipelined commands do not follow keys that moved. Default: no pipelining.
   */
  pipelined?: { except: readonly string[]; standaloneOnly?: true } | false
  /** Returns the delay before the nth attempt to reconnect, in milliseconds. */
  retryDelay?: (attempt: number) => number
  /** On a cluster: how often a command follows a moved key, or waits 100 ms for a node to come back. Default 16. */
  redirections?: number
}

/** How often a cluster's slot map is refreshed, besides whenever a node redirects a command, and the timeout; milliseconds. */
const SLOTS_REFRESH_MS = 5_000
const SLOTS_TIMEOUT_MS = 2_000

/** Opens a connection to a standalone Redis or a cluster. Returns at once, connects in the background, and reconnects. */
export function openRedis(address: RedisAddress, options: RedisOptions): RedisClient {
  const client = connect(address, options)
  track(options.name, client)
  const onError = (error: Error) => options.onError?.(error)
  client.on('error', onError)
  if (client instanceof Cluster) client.on('node error', onError)
  if (options.blocks) return client
  if (client instanceof Cluster) client.on('+node', renewWhenSilent)
  else renewWhenSilent(client)
  return client
}

/** Opens a separate connection to one node of a cluster, with the login from the cluster's address. */
export function openNode(address: RedisAddress, node: { host: string; port: number }, options: RedisOptions): Redis {
  const parsed = parseAddress(address)
  const login = parsed.kind === 'cluster' ? parsed.login : {}
  const { queued = true, retryDelay = backoff } = options
  const each = { ...eachConnection(options), enableOfflineQueue: queued, retryStrategy: retryDelay }
  const client = new Redis({ ...login, ...node, ...each })
  track(options.name, client)
  client.on('error', (error: Error) => options.onError?.(error))
  renewWhenSilent(client)
  return client
}

function connect(address: RedisAddress, options: RedisOptions): RedisClient {
  const { queued = true, pipelined = false, retryDelay = backoff, redirections } = options
  const parsed = parseAddress(address)
  const each = eachConnection(options)
  const pipelining = pipelined && {
    enableAutoPipelining: true,
    autoPipeliningIgnoredCommands: [...pipelined.except],
  }
  if (parsed.kind === 'standalone') {
    return new StandaloneRedis(parsed.url, {
      ...each,
      ...pipelining,
      enableOfflineQueue: queued,
      retryStrategy: retryDelay,
    })
  }
  return new PatchedCluster(parsed.nodes, {
    ...(pipelined && !pipelined.standaloneOnly && pipelining),
    redisOptions: { ...each, ...parsed.login },
    // There is no timeout for commands that wait for the whole cluster, so they would wait indefinitely.
    enableOfflineQueue: false,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    slotsRefreshTimeout: SLOTS_TIMEOUT_MS,
    clusterRetryStrategy: retryDelay,
    ...(redirections !== undefined && { maxRedirections: redirections }),
    // Do not resolve host names: TLS certificates are issued for names.
    dnsLookup: (host, done) => done(null, host),
  })
}

/**
 * A cluster client with workarounds for two bugs of ioredis 5.11.
 *
 * - The promise of `connect()` never settles if the cluster is not ready at first, although the client connects later (a failed
 *   ready check neither resolves nor rejects it). BullMQ awaits that promise, so it would hang after all nodes were away at
 *   once. Here it also settles when the client becomes ready.
 * - A pipelined command (`executeWithAutoPipelining`) for a slot without a node throws a TypeError. Here such a slot is in the
 *   map with an empty list of nodes: the command goes to any node, which redirects it.
 */
class PatchedCluster extends Cluster {
  readonly #startup: ClusterNode[]

  constructor(startup: ClusterNode[], options: ClusterOptions) {
    super(startup, options)
    this.#startup = startup
    this.on('refresh', () => {
      for (let slot = 0; slot < SLOTS; slot++) this.slots[slot] ??= []
    })
  }

  override async connect(): Promise<void> {
    let ready: () => void = () => undefined
    const isReady = new Promise<void>((resolve) => {
      ready = resolve
      this.once('ready', ready)
    })
    try {
      await Promise.race([super.connect(), isReady])
    } finally {
      this.removeListener('ready', ready)
    }
  }

  override duplicate(nodes: ClusterNode[] = [], options: ClusterOptions = {}): Cluster {
    return new PatchedCluster(nodes.length > 0 ? nodes : this.#startup, { ...this.options, ...options })
  }
}

function eachConnection({ name, commandTimeoutMs, retries = 1 }: RedisOptions): ClientOptions {
  return {
    connectionName: name,
    maxRetriesPerRequest: retries,
    // The bus resubscribes by itself, a few channels at a time; nothing else subscribes.
    autoResubscribe: false,
    ...(commandTimeoutMs !== undefined && { commandTimeout: commandTimeoutMs }),
  }
}

function backoff(attempt: number): number {
  return backoffMs(attempt, 100, 2_000)
}

/** The error of ioredis if the slot map changed between the collection and the sending of a pipeline. */
const SPLIT_PIPELINE = 'All keys in the pipeline should belong to the same slots allocation group'

/**
 * Whether a command failed because its slot, or that of another command in its pipeline, moved to another node. The slot map is
 * then up to date, and the command may be sent again. ioredis itself retries only if a whole pipeline went to the wrong node.
 */
export async function hasMoved(client: RedisClient, error: unknown): Promise<boolean> {
  if (!(client instanceof Cluster) || !(error instanceof Error)) return false
  if (error.message === SPLIT_PIPELINE) return true
  if (!error.message.startsWith('MOVED ')) return false
  await new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve()))
  return true
}

/** Waits until the client is connected. Rejects after `timeoutMs`; the client keeps trying. */
export function redisReady(client: RedisClient, timeoutMs: number): Promise<void> {
  if (client.status === 'ready') return Promise.resolve()
  return new Promise((resolve, reject) => {
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    const timer = setTimeout(() => {
      client.off('ready', done)
      reject(new Error(`Redis did not answer within ${timeoutMs} ms`))
    }, timeoutMs)
    client.once('ready', done)
  })
}
