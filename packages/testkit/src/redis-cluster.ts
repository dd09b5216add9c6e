import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort, type RedisService, startRedis } from '@parley/local/services'
import { SLOTS } from '@parley/redis'
import { Redis } from 'ioredis'
import type { TestRedis } from './redis.ts'
import type { RedisTls } from './tls.ts'

/** How long without an answer until a node counts as failed, in milliseconds; short, for tests of failover. */
const NODE_TIMEOUT_MS = 2_000
const FORM_BOUND_MS = 20_000
const POLL_MS = 50

const log = (line: string) => console.log(line)

/** A node of a cluster. Its address stays the same after `kill` and `start`. */
export interface ClusterNode {
  readonly url: string
  readonly host: string
  readonly port: number
  readonly id: string
  /** False between `kill` and `start`. */
  readonly running: boolean
  /** Sends a command to this node. */
  call(...command: [string, ...(string | number)[]]): Promise<unknown>
  /** Ends it like a crash. */
  kill(): Promise<void>
  /** Starts it again without its data; it still knows the cluster and its slots. */
  start(): Promise<void>
}

export interface TestRedisCluster extends TestRedis {
  /** The masters, then the replicas. */
  readonly nodes: readonly ClusterNode[]
  /** Moves a slot without keys, as a migration does. Resolves when every node, including replicas, reports the new owner. */
  moveSlot(slot: number, to: ClusterNode): Promise<void>
  /** Resolves when every running node reports that all slots are served. */
  formed(): Promise<void>
}

export interface RedisClusterOptions {
  /** Default 3, the minimum. */
  masters?: number
  /** The number of replicas of the first master. Default 0. */
  replicas?: number
  /** TLS for all connections. Default: none. */
  tls?: RedisTls
}

/** Starts a Redis Cluster on this machine, with the slots in equal shares; works outside Vitest. */
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
    // Accept any delay of a failover: by default, a replica cut off for 30 s (10 timeouts and a ping) never starts an election.
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

/** Assigns the slots, introduces the nodes to each other, and waits until they agree. */
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
 * The steps of a migration without keys: https://redis.io/docs/latest/commands/cluster-setslot/. Importing gives the new owner a
 * newer epoch than the old one's, without which replicas would not accept it.
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
