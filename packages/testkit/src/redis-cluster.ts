import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, type RedisService, startRedis } from '@parley/local/services'
import { SLOTS } from '@parley/redis'
import { Redis } from 'ioredis'
import type { TestRedis } from './redis.ts'
import type { RedisTls } from './tls.ts'

/** After this long without an answer a node counts as failed, in milliseconds: short, for tests of failover. */
const NODE_TIMEOUT_MS = 2_000
const FORM_BOUND_MS = 20_000
const POLL_MS = 50

const log = (line: string) => console.log(line)

/** One node of a cluster. Its address stays the same over `kill` and `start`. */
export interface ClusterNode {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly id: string
  /** False from `kill` to `start`. */
  readonly running: boolean
  /** Commands to this very node. */
  call(...command: [string, ...(string | number)[]]): Promise<unknown>
  /** Ends it as a crash would. */
  kill(): Promise<void>
  /** Brings it back, without its data; it knows the cluster and its slots. */
  start(): Promise<void>
}

export interface TestRedisCluster extends TestRedis {
  /** The masters, then their replicas. */
  readonly nodes: readonly ClusterNode[]
  /** Hands a slot without keys over, as a migration does. Resolves when every node, replicas too, names its new owner. */
  moveSlot(slot: number, to: ClusterNode): Promise<void>
  /** Resolves when every node that runs says that all slots are served. */
  formed(): Promise<void>
}

export interface RedisClusterOptions {
  /** Default 3, the least there can be. */
  masters?: number
  /** Replicas of the first master. Default 0. */
  replicas?: number
  /** TLS between all. Default: none. */
  tls?: RedisTls
}

/** Starts a Redis Cluster on this machine: plain servers, the slots in equal parts; needs no Vitest. */
export async function redisCluster(options: RedisClusterOptions = {}): Promise<TestRedisCluster> {
  const { masters = 3, replicas = 0, tls } = options
  await using undo = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'parley-redis-cluster-'))
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  const starts = Array.from({ length: masters + replicas }, (_, index) => startNode(folder, index, tls))
  const nodes = (await Promise.all(starts)).map((node) => undo.use(node))
  await form(nodes, masters)
  const parts = undo.move()
  const all = (work: (node: Node) => Promise<void>) => async () => void (await Promise.all(nodes.map(work)))
  const formed = () => untilFormed(nodes)
  const startAll = all((node) => node.start())
  return {
    url: nodes
      .slice(0, masters)
      .map(({ url }) => url)
      .join(','),
    nodes,
    formed,
    moveSlot: (slot, to) => moveSlot(nodes.slice(0, masters), nodes, slot, to),
    kill: all((node) => node.kill()),
    start: async () => {
      await startAll()
      await formed()
    },
    pause: all((node) => node.signal('SIGSTOP')),
    resume: all((node) => node.signal('SIGCONT')),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

interface Node extends ClusterNode, AsyncDisposable {
  readonly busPort: number
  signal(signal: NodeJS.Signals): Promise<void>
}

async function startNode(folder: string, index: number, tls: RedisTls | undefined): Promise<Node> {
  const [port, busPort] = await Promise.all([freePort(), freePort()])
  const settings = [
    ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-announce-ip', '127.0.0.1'],
    ...['--cluster-config-file', join(folder, `node-${index}.conf`)],
    ...['--cluster-node-timeout', String(NODE_TIMEOUT_MS)],
    // However late its election comes: by default a replica cut off for 30 s (10 timeouts and a ping) gives up for good.
    ...['--cluster-replica-validity-factor', '0'],
    ...(tls?.settings(port) ?? []),
  ]
  let server: RedisService = await startRedis({ dataDir: null, port, log, settings })
  const url = tls?.url(port) ?? server.url
  let running = true
  const trust = tls?.ca === undefined ? {} : { tls: { ca: tls.ca } }
  const client = new Redis(url, { ...trust, retryStrategy: () => POLL_MS, maxRetriesPerRequest: null })
  client.on('error', () => undefined)
  return {
    url,
    host: '127.0.0.1',
    port,
    busPort,
    id: String(await client.call('cluster', 'myid')),
    get running() {
      return running
    },
    call: (name, ...args) => client.call(name, ...args),
    signal: async (signal) => void server.kill(signal),
    kill: async () => {
      running = false
      server.kill('SIGKILL')
      await server.exited
    },
    start: async () => {
      server = await startRedis({ dataDir: null, port, log, settings })
      running = true
    },
    [Symbol.asyncDispose]: async () => {
      client.disconnect()
      server.kill('SIGKILL')
      await server.stop()
    },
  }
}

/** Gives the slots out, has the nodes meet, and waits until they agree. */
async function form(nodes: readonly Node[], masters: number): Promise<void> {
  const share = Math.ceil(SLOTS / masters)
  for (const [index, node] of nodes.entries()) {
    await node.call('cluster', 'set-config-epoch', index + 1)
    if (index >= masters) continue
    await node.call('cluster', 'addslotsrange', index * share, Math.min(SLOTS, (index + 1) * share) - 1)
  }
  const [first] = nodes
  for (const node of nodes.slice(1)) await first?.call('cluster', 'meet', node.host, node.port, node.busPort)
  await untilFormed(nodes)
  for (const replica of nodes.slice(masters)) {
    await replica.call('cluster', 'replicate', first?.id ?? '')
    await until('replica', async () =>
      String(await replica.call('info', 'replication')).includes('master_link_status:up'),
    )
  }
}

/**
 * The steps of a migration, without its keys: https://redis.io/docs/latest/commands/cluster-setslot/. The new owner
 * imports it, which gives it a newer epoch than the last one's: by this alone do replicas believe it.
 */
async function moveSlot(
  masters: readonly Node[],
  nodes: readonly Node[],
  slot: number,
  to: ClusterNode,
): Promise<void> {
  const owner = await ownerOf(masters[0], slot)
  await to.call('cluster', 'setslot', slot, 'importing', owner)
  await masters.find(({ id }) => id === owner)?.call('cluster', 'setslot', slot, 'migrating', to.id)
  const rest = masters.filter((node) => node !== to)
  for (const node of [to, ...rest]) await node.call('cluster', 'setslot', slot, 'node', to.id)
  await until('owner of a slot', async () => {
    const owners = await Promise.all(nodes.map((node) => ownerOf(node, slot)))
    return owners.every((named) => named === to.id)
  })
}

type SlotRange = [first: number, last: number, owner: [host: string, port: number, id: string]]

async function ownerOf(node: Node | undefined, slot: number): Promise<string> {
  const ranges = (await node?.call('cluster', 'slots')) as SlotRange[]
  return ranges.find(([first, last]) => first <= slot && slot <= last)?.[2][2] ?? ''
}

async function untilFormed(nodes: readonly Node[]): Promise<void> {
  await until('cluster', async () => {
    const running = nodes.filter((node) => node.running)
    const infos = await Promise.all(running.map(async (node) => String(await node.call('cluster', 'info'))))
    const known = `cluster_known_nodes:${nodes.length}`
    return infos.every((info) => info.includes('cluster_state:ok') && info.includes(known))
  })
}

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + FORM_BOUND_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`The Redis ${what} was not ready within ${FORM_BOUND_MS} ms`)
    await delay(POLL_MS)
  }
}
