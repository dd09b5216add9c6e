import { openNode, type RedisAddress, SLOTS, slotOf } from '@parley/redis'
import { backoffMs } from '@parley/runtime/backoff'
import { noAnswer, within } from '@parley/runtime/within'
import type { Cluster } from 'ioredis'
import { ChannelConnection } from './channel-connection.ts'
import type { Subscriptions, SubscriptionsOptions } from './subscriptions.ts'

/** Delay of reading the slot map after a sign that slots have moved, in milliseconds: longer after reads that did not help. */
const refreshDelayMs = (attempt: number) => backoffMs(attempt, 100, 1_000)
const CONFIRM_MS = 5_000
/**
 * How long to keep listening to a node that the map no longer names, in milliseconds: three times the interval at which
 * publishers read the map. A node that is cut off only from the other nodes keeps accepting publishes after a replica has taken
 * its place.
 */
const LINGER_MS = 15_000
/** The error of ioredis when Redis has ended a subscription by itself, as it does for a slot that has moved. */
const UNSOLICITED_ANSWER = 'Command queue state error'

interface Node {
  connection: ChannelConnection
  /** The wanted channels of its slots. */
  channels: Set<string>
}

/**
 * Sharded subscriptions on a Redis Cluster: one connection to each node that has slots, each channel on the node of its
 * slot. ioredis has something similar, but this one knows when subscriptions are active, reports when messages may have been
 * missed, and notices a connection that has died silently, all by {@link ChannelConnection}.
 *
 * The slot map is the publisher's, which reads it every few seconds and whenever a node redirects a command.
 */
export class ClusterSubscriptions implements Subscriptions {
  readonly #address: RedisAddress
  readonly #cluster: Cluster
  readonly #options: SubscriptionsOptions
  readonly #nodes = new Map<string, Node>()
  /** Nodes that the map no longer names, each with the timer after which it is left. */
  readonly #lingering = new Map<string, { connection: ChannelConnection; timer: NodeJS.Timeout }>()
  readonly #onRefresh = () => this.#route()
  #ownerOf: readonly (string | undefined)[] = []
  /** Whether each slot has a node. */
  #covered = false
  #firstMap = Promise.withResolvers<void>()
  #refreshTimer: NodeJS.Timeout | undefined
  /** Number of times the slot map was read since all subscriptions were last active. */
  #refreshes = 0
  /** A node has refused or ended a subscription: what is missing is sent again once the map has been read again. */
  #doubtful = false
  /** Number of times that missing channels have been subscribed (again). */
  #resubscriptions = 0
  #notifying = false
  #closed = false

  constructor(address: RedisAddress, cluster: Cluster, options: SubscriptionsOptions) {
    this.#address = address
    this.#cluster = cluster
    this.#options = options
    cluster.on('refresh', this.#onRefresh)
  }

  get healthy(): boolean {
    return this.#nodes.size > 0 && [...this.#nodes.values()].every(({ connection }) => connection.healthy)
  }

  async ready(timeoutMs: number): Promise<void> {
    const end = performance.now() + timeoutMs
    await within(timeoutMs, this.#firstMap.promise, noAnswer('The Redis Cluster', timeoutMs))
    const nodes = [...this.#nodes.values()]
    await Promise.all(nodes.map(({ connection }) => connection.ready(Math.max(1, end - performance.now()))))
  }

  subscribe(channels: readonly string[]): void {
    for (const [node, names] of this.#byNode(channels)) {
      for (const channel of names) node.channels.add(channel)
      node.connection.subscribe(names)
    }
  }

  unsubscribe(channels: readonly string[]): void {
    for (const [node, names] of this.#byNode(channels)) {
      for (const channel of names) node.channels.delete(channel)
      node.connection.unsubscribe(names)
    }
  }

  async ping(timeoutMs: number): Promise<boolean> {
    return this.#covered && (await this.#allAnswer(timeoutMs))
  }

  /** Whether all nodes confirm that their subscriptions are active. */
  async #allAnswer(timeoutMs: number): Promise<boolean> {
    if (this.#nodes.size === 0 || this.#doubtful) return false
    const before = this.#resubscriptions
    const answers = await Promise.all([...this.#nodes.values()].map(({ connection }) => connection.ping(timeoutMs)))
    // Subscriptions that were sent again meanwhile may have been sent after the ping.
    return !this.#doubtful && before === this.#resubscriptions && answers.every((answer) => answer)
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#refreshTimer)
    this.#cluster.off('refresh', this.#onRefresh)
    for (const { connection } of this.#nodes.values()) connection.close()
    this.#nodes.clear()
    for (const key of this.#lingering.keys()) this.#leave(key)
  }

  /** Groups channels by their node. Those of a slot without a node wait for the next map. */
  #byNode(channels: readonly string[]): Map<Node, string[]> {
    const found = new Map<Node, string[]>()
    for (const channel of channels) {
      const node = this.#nodes.get(this.#ownerOf[slotOf(channel)] ?? '')
      if (node === undefined) continue
      const names = found.get(node)
      if (names === undefined) found.set(node, [channel])
      else names.push(channel)
    }
    return found
  }

  /** Adopts the publisher's slot map and moves channels whose slot has another node now. */
  #route(): void {
    if (this.#closed) return
    const owners = Array.from({ length: SLOTS }, (_, slot) => this.#cluster.slots[slot]?.[0])
    const same = owners.every((owner, slot) => owner === this.#ownerOf[slot])
    if (same && !this.#doubtful) return
    const first = this.#ownerOf.length === 0
    this.#ownerOf = owners
    this.#covered = !owners.includes(undefined)
    const needed = new Set(owners.filter((owner) => owner !== undefined))
    for (const key of needed) if (!this.#nodes.has(key)) this.#nodes.set(key, this.#open(key))
    for (const [key, { connection }] of this.#nodes) {
      if (needed.has(key)) continue
      this.#nodes.delete(key)
      // A replica's messages are received from its master, and a node that is down has none.
      const isUseless = !connection.healthy || this.#cluster.slots.some((nodes) => nodes.includes(key))
      if (isUseless) connection.close()
      else this.#lingering.set(key, { connection, timer: setTimeout(() => this.#leave(key), LINGER_MS) })
    }
    this.#moveChannels()
    this.#doubtful = false
    this.#firstMap.resolve()
    if (!first) void this.#notifyRestored()
  }

  /**
   * Subscribes, at its current node, each channel that is not known to be active there. A subscription that is refused for a
   * long time (by an ACL, say) therefore does not affect the others. Subscribing a second time changes nothing, and a node that
   * a slot has left has ended the subscriptions there by itself.
   */
  #moveChannels(): void {
    this.#resubscriptions++
    const wanted = this.#byNode([...this.#options.wanted()])
    for (const node of this.#nodes.values()) {
      const [before, own] = [node.channels, wanted.get(node) ?? []]
      node.channels = new Set(own)
      node.connection.subscribe(own.filter((name) => !before.has(name) || node.connection.isUnconfirmed(name)))
    }
  }

  #leave(key: string): void {
    const left = this.#lingering.get(key)
    clearTimeout(left?.timer)
    left?.connection.close()
    this.#lingering.delete(key)
  }

  #open(key: string): Node {
    // Two connections would receive every message twice.
    this.#leave(key)
    const colon = key.lastIndexOf(':')
    const node = { host: key.slice(0, colon), port: Number(key.slice(colon + 1)) }
    const { connection: options, onMessage } = this.#options
    const redis = openNode(this.#address, node, {
      ...options,
      onError: (error) => {
        if (error.message.startsWith(UNSOLICITED_ANSWER)) this.#onUnsolicitedAnswer(key)
        options.onError(error)
      },
    })
    // How ioredis reports a subscription at the wrong node; its promise never settles.
    redis.on('moved', () => this.#doubt(key))
    redis.on('close', () => {
      this.#leave(key)
      this.#planRefresh()
    })
    const connection = new ChannelConnection({
      redis,
      wanted: () => this.#nodes.get(key)?.channels ?? [],
      commandsOf: bySlot,
      onMessage,
      // If doubtful, adopting the next map will notify.
      onRestored: () => {
        if (!this.#doubtful) this.#allRestored()
      },
      onRefused: () => this.#doubt(key),
    })
    return { connection, channels: new Set() }
  }

  #doubt(key: string): void {
    if (!this.#nodes.has(key)) return
    this.#doubtful = true
    this.#planRefresh()
  }

  #onUnsolicitedAnswer(key: string): void {
    this.#doubt(key)
    // On this connection, answers can no longer be matched to their commands.
    this.#nodes.get(key)?.connection.renew()
  }

  #planRefresh(): void {
    if (this.#closed) return
    this.#refreshTimer ??= setTimeout(
      () => {
        this.#refreshTimer = undefined
        if (!this.#closed) this.#cluster.refreshSlotsCache()
      },
      refreshDelayMs(++this.#refreshes),
    )
  }

  /** Waits as long as the nodes take. If doubtful, or with a slot without a node, the next map leads here again. */
  async #notifyRestored(): Promise<void> {
    if (this.#notifying) return
    this.#notifying = true
    while (!this.#closed && !this.#doubtful) {
      if (await this.#allAnswer(CONFIRM_MS)) {
        if (!this.#closed) this.#allRestored()
        break
      }
    }
    this.#notifying = false
  }

  #allRestored(): void {
    this.#refreshes = 0
    this.#options.onRestored()
  }
}

/** A command may name channels of one slot only. */
function bySlot(channels: readonly string[]): Iterable<readonly string[]> {
  return Map.groupBy(channels, (channel) => slotOf(channel)).values()
}
