import { backoffMs } from '@parley/runtime/backoff'
import { type RedisOptions as ClientOptions, Cluster, type ClusterNode, type ClusterOptions, Redis } from 'ioredis'
import { parseAddress, type RedisAddress } from './address.ts'
import { track } from './connections.ts'
import { renewWhenSilent } from './heartbeat.ts'
import { LoneRedis } from './lone.ts'
import { SLOTS } from './slot.ts'

export type RedisClient = Redis | Cluster

export interface RedisOptions {
  /** Shown in CLIENT LIST. */
  name: string
  /** Failures of a connection, and of each node's in a cluster; each is made anew by itself, again and again. */
  onError?: (error: Error) => void
  /** A command that takes longer from its write on fails; milliseconds. Default: none. */
  commandTimeoutMs?: number
  /** Commands may block on it, so that its silence says nothing. Otherwise one that has fallen silent is made anew. */
  blocks?: true
  /** How often a command is sent again on a new connection; null: for ever. Default 1. */
  retries?: number | null
  /** Keeps commands while there is no connection. A cluster never does: wait for {@link redisReady}. Default true. */
  queued?: boolean
  /**
   * All commands of a turn of the loop travel as one write, once those before it are answered, but for these. `lone`: not in
   * a cluster, where a command in such a write does not follow a key that moved. Default: each on its own.
   */
  pipelined?: { except: readonly string[]; lone?: true } | false
  /** Milliseconds before attempt n to connect again. */
  retryDelay?: (attempt: number) => number
  /** In a cluster: how often a command follows a key that moved, or waits 100 ms for a node to come back. Default 16. */
  redirections?: number
}

/** A cluster's map of slots is read again this often, besides whenever a node refuses a key; milliseconds. */
const SLOTS_REFRESH_MS = 5_000
const SLOTS_TIMEOUT_MS = 2_000

/** Opens a Redis, lone or a cluster. Returns at once; the connection is made meanwhile, and again whenever it is lost. */
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

/** A connection of its own to one node of a cluster, with what its address says about logging in. */
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
  if (parsed.kind === 'lone') {
    return new LoneRedis(parsed.url, { ...each, ...pipelining, enableOfflineQueue: queued, retryStrategy: retryDelay })
  }
  return new PatchedCluster(parsed.nodes, {
    ...(pipelined && !pipelined.lone && pipelining),
    redisOptions: { ...each, ...parsed.login },
    // What waits for a whole cluster would wait without bound: there is no time-out for it.
    enableOfflineQueue: false,
    slotsRefreshInterval: SLOTS_REFRESH_MS,
    slotsRefreshTimeout: SLOTS_TIMEOUT_MS,
    clusterRetryStrategy: retryDelay,
    ...(redirections !== undefined && { maxRedirections: redirections }),
    // Names stay names: a certificate is made out to them.
    dnsLookup: (host, done) => done(null, host),
  })
}

/**
 * A cluster without two faults of ioredis 5.11.
 *
 * - Its promise of a connection never settles where the first look finds a cluster that is not ready yet, though the client
 *   connects later. BullMQ waits for that promise, for ever, after all nodes were away at once. This one settles, too, when the
 *   client is ready. (`Cluster.connect`: a failed ready check neither resolves nor rejects.)
 * - What travels as one write (`executeWithAutoPipelining`) throws a TypeError for a slot that no node has. Here such a slot is in the
 *   map, with no nodes: any of them is asked, and names the one that the slot has meanwhile.
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
    // The bus does it, some channels at a time; nobody else subscribes.
    autoResubscribe: false,
    ...(commandTimeoutMs !== undefined && { commandTimeout: commandTimeoutMs }),
  }
}

function backoff(attempt: number): number {
  return backoffMs(attempt, 100, 2_000)
}

/** What ioredis says of all that was to be one write, where the map of slots became new before it was written. */
const SCATTERED = 'All keys in the pipeline should belong to the same slots allocation group'

/**
 * Whether a command failed because its slot has another node, or one that was to travel with it has, and the map of slots is
 * new now: it may be sent again. ioredis follows by itself only where a whole pipeline was sent to the wrong node.
 */
export async function hasMoved(client: RedisClient, error: unknown): Promise<boolean> {
  if (!(client instanceof Cluster) || !(error instanceof Error)) return false
  if (error.message === SCATTERED) return true
  if (!error.message.startsWith('MOVED ')) return false
  await new Promise<void>((resolve) => client.refreshSlotsCache(() => resolve()))
  return true
}

/** Resolves when the connection stands; rejects after `timeoutMs`, while it is tried on. */
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
