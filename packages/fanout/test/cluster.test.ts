import { openRedis, redisReady, slotOf } from '@parley/redis'
import { redisCluster, type TestRedisCluster } from '@parley/testkit'
import type { Cluster } from 'ioredis'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { ChannelConnection } from '../src/channel-connection.ts'
import { Bus } from '../src/index.ts'
import { openSubscriptions } from '../src/subscriptions.ts'

/** Enough for every node to have some. */
const CHANNELS = Array.from({ length: 60 }, (_, n) => `channel ${n}`)

let redis: TestRedisCluster
let heard: Bus
let speaker: Bus
const got: string[] = []

beforeAll(async () => {
  redis = await redisCluster({ replicas: 1 })
  heard = new Bus(redis.url, 'heard')
  speaker = new Bus(redis.url, 'speaker')
  await Promise.all([heard.ready(10_000), speaker.ready(10_000)])
  for (const channel of CHANNELS) heard.subscribe(channel, (payload, name) => got.push(`${name}: ${payload}`))
  expect(await heard.barrier(5_000)).toBe(true)
})
afterAll(async () => {
  await Promise.all([heard?.close(), speaker?.close()])
  await redis?.[Symbol.asyncDispose]()
})

/** Publishes once to each channel and asserts that each message is received once. */
async function allAreHeard(word: string): Promise<void> {
  got.length = 0
  const taken = await Promise.all(CHANNELS.map((channel) => speaker.publish(channel, word)))
  expect(taken).toEqual(CHANNELS.map(() => true))
  await expect.poll(() => got.length, { timeout: 5_000 }).toBe(CHANNELS.length)
  expect([...got].sort()).toEqual(CHANNELS.map((channel) => `${channel}: ${word}`).sort())
}

const restored = () => new Promise<string>((resolve) => heard.once('restored', () => resolve('restored')))

it('slotOf() agrees with Redis', async () => {
  const client = openRedis(redis.url, { name: 'test' })
  await redisReady(client, 5_000)
  for (const key of ['123456789', 'foo{bar}baz', '{}x', 'a{}b', '{user1000}.following', 'é{ü}', 'foo{{bar}}zap', '']) {
    expect(slotOf(key), key).toBe(Number(await client.cluster('KEYSLOT', key)))
  }
  client.disconnect()
})

describe('the bus on a cluster', () => {
  it('carries channels of all nodes', () => allAreHeard('first'))

  it('drops a channel that is unsubscribed', async () => {
    heard.subscribe('for a moment', (payload) => got.push(String(payload)))
    expect(await heard.barrier(5_000)).toBe(true)
    heard.unsubscribe('for a moment')
    expect(await heard.barrier(5_000)).toBe(true)
    got.length = 0
    await speaker.publish('for a moment', 'too late')
    await allAreHeard('after')
  })

  it('confirms nothing before it knows the nodes, emits no restored at first, and leaves no connections', async () => {
    const brief = new Bus(redis.url, 'brief')
    const missed = vi.fn()
    brief.on('restored', missed)
    brief.subscribe('a channel', () => undefined)
    expect(await brief.barrier()).toBe(false)
    await brief.ready(10_000)
    expect(await brief.barrier(5_000)).toBe(true)
    expect(missed).not.toHaveBeenCalled()
    const connections = async () => {
      const lists = await Promise.all(redis.nodes.map((node) => node.call('client', 'list')))
      return lists.join('').match(/name=brief:\w+/g) ?? []
    }
    expect(new Set(await connections())).toContain('name=brief:sub')
    await brief.close()
    await expect.poll(connections).toEqual([])
  })

  it('restores exactly the wanted subscriptions after a node has closed its connection', async () => {
    const unwanted = `{${CHANNELS[0]}} is not wanted`
    const [owner] = redis.nodes.filter((_, index) => Math.floor(slotOf(unwanted) / 5_462) === index)
    heard.subscribe(unwanted, () => undefined)
    expect(await heard.barrier(5_000)).toBe(true)
    heard.unsubscribe(unwanted)
    expect(await heard.barrier(5_000)).toBe(true)
    const told = restored()
    expect(Number(await owner?.call('client', 'kill', 'type', 'pubsub'))).toBeGreaterThan(0)
    expect(await told).toBe('restored')
    expect(await owner?.call('pubsub', 'shardnumsub', unwanted)).toEqual([unwanted, 0])
    await allAreHeard('on the new connection')
  })

  it('retries refused subscriptions at a node, and reports when all are active', async () => {
    const [node] = redis.nodes
    // Also ends existing subscriptions that are no longer allowed.
    await node?.call('acl', 'setuser', 'default', 'resetchannels')
    for (let times = 0; times < 2; times++) expect(await heard.barrier(5_000)).toBe(false)
    const told = restored()
    await node?.call('acl', 'setuser', 'default', 'allchannels')
    expect(await told).toBe('restored')
    expect(await heard.barrier(5_000)).toBe(true)
    await allAreHeard('allowed again')
  })

  it('retries only the refused subscriptions, less and less often', async () => {
    await Promise.all(redis.nodes.map((node) => node.call('acl', 'setuser', 'default', 'resetchannels', '&channel?*')))
    const asked: { channel: string; at: number }[] = []
    const refused = Promise.withResolvers<void>()
    const { subscribe } = ChannelConnection.prototype
    vi.spyOn(ChannelConnection.prototype, 'subscribe').mockImplementation(function (this: ChannelConnection, channels) {
      subscribe.call(this, channels)
      for (const channel of channels) asked.push({ channel, at: performance.now() })
      if (asked.filter(({ channel }) => channel === 'refused').length >= 6) refused.resolve()
    })
    onTestFinished(() => void vi.restoreAllMocks())
    const told = restored()
    heard.subscribe('refused', () => undefined)
    await refused.promise
    expect(new Set(asked.map(({ channel }) => channel))).toEqual(new Set(['refused']))
    // The fifth pause is at least half a second; without backoff it would be a tenth.
    const pauses = asked.slice(1).map(({ at }, index) => at - (asked[index]?.at ?? 0))
    expect(Math.max(...pauses)).toBeGreaterThan(400)
    await Promise.all(redis.nodes.map((node) => node.call('acl', 'setuser', 'default', 'allchannels')))
    expect(await told).toBe('restored')
    heard.unsubscribe('refused')
    await allAreHeard('all the while')
  })

  it('does not take an earlier answer as confirmation of channels that were subscribed again', async () => {
    const [node] = redis.nodes
    const told = restored()
    await node?.call('acl', 'setuser', 'default', 'resetchannels')
    const ignore = () => undefined
    const client = openRedis(redis.url, { name: 'doubtful' }) as Cluster
    const connection = { name: 'doubtful:sub', retries: null, onError: ignore }
    const nobody = { onMessage: ignore, onRestored: ignore }
    const subscriptions = openSubscriptions(redis.url, client, { connection, wanted: () => CHANNELS, ...nobody })
    await subscriptions.ready(10_000)
    // The test decides when the slot map is refreshed.
    vi.spyOn(client, 'refreshSlotsCache').mockImplementation(() => undefined)
    await expect.poll(() => subscriptions.ping(5_000)).toBe(false)
    // All nodes answer, but the refusing one has not processed the new subscriptions yet.
    const ping = vi.spyOn(ChannelConnection.prototype, 'ping').mockResolvedValue(true)
    const confirmed = subscriptions.ping(5_000)
    client.emit('refresh')
    expect(await confirmed).toBe(false)
    ping.mockRestore()
    subscriptions.close()
    client.disconnect()
    await node?.call('acl', 'setuser', 'default', 'allchannels')
    expect(await told).toBe('restored')
  })

  it('keeps listening to a node that the map no longer names, and receives each message once when it is back', async () => {
    const client = openRedis(redis.url, { name: 'lingering' }) as Cluster
    const wanted = CHANNELS.filter((name) => slotOf(name) < 5_462)
    const words: string[] = []
    const subscriptions = openSubscriptions(redis.url, client, {
      connection: { name: 'lingering:sub', retries: null, onError: () => undefined },
      wanted: () => wanted,
      onMessage: (_channel, payload) => words.push(String(payload)),
      onRestored: () => undefined,
    })
    await subscriptions.ready(10_000)
    await expect.poll(() => subscriptions.ping(5_000)).toBe(true)
    // The test decides when the slot map is refreshed.
    const refresh = vi.spyOn(client, 'refreshSlotsCache').mockImplementation(() => undefined)
    const map = [...client.slots]
    const [former] = map[0] ?? []
    client.slots = map.map((nodes) => (nodes[0] === former ? (map.at(-1) ?? []) : nodes))
    client.emit('refresh')
    for (const channel of wanted) expect(await speaker.publish(channel, 'by the old map')).toBe(true)
    await expect.poll(() => words).toEqual(wanted.map(() => 'by the old map'))
    client.slots = map
    client.emit('refresh')
    await expect.poll(() => subscriptions.ping(5_000)).toBe(true)
    words.length = 0
    for (const word of ['by the new map', 'last']) {
      for (const channel of wanted) expect(await speaker.publish(channel, word)).toBe(true)
    }
    await expect.poll(() => words).toContain('last')
    await expect.poll(() => words.length).toBeGreaterThanOrEqual(2 * wanted.length)
    expect(words.sort()).toEqual([...wanted.map(() => 'by the new map'), ...wanted.map(() => 'last')])
    refresh.mockRestore()
    subscriptions.close()
    client.disconnect()
  })

  it('follows a slot to another node, and reports that messages may have been missed', async () => {
    const [first, second] = redis.nodes
    if (first === undefined || second === undefined) throw new Error('no nodes')
    const channel = CHANNELS.find((name) => slotOf(name) < 5_462) ?? ''
    const told = restored()
    await redis.moveSlot(slotOf(channel), second)
    expect(await told).toBe('restored')
    await allAreHeard('moved')
    const back = restored()
    await redis.moveSlot(slotOf(channel), first)
    await back
    await allAreHeard('moved back')
  })

  it('publishes everything while a slot moves', async () => {
    const [first, second] = redis.nodes
    if (first === undefined || second === undefined) throw new Error('no nodes')
    const [channel = '', neighbour = ''] = CHANNELS.filter((name) => slotOf(name) < 5_462)
    for (const owner of [second, first, second, first]) {
      const moved = Promise.all([restored(), redis.moveSlot(slotOf(channel), owner)])
      let moving = true
      void moved.finally(() => {
        moving = false
      })
      const taken: Promise<boolean>[] = []
      while (moving) {
        taken.push(heard.publish(channel, 'said'), heard.publish(neighbour, 'said'))
        await new Promise(setImmediate)
      }
      await moved
      expect(new Set(await Promise.all(taken))).toEqual(new Set([true]))
      // Both the new map and the new connection lead to a restored event: wait until both have.
      await expect.poll(() => heard.barrier(5_000)).toBe(true)
    }
  })

  // On a busy machine a replica's first election may fail; the next one is 8 s later (4 x cluster-node-timeout).
  it('continues with a replica that takes the place of its master', async () => {
    const told = restored()
    await redis.nodes[0]?.kill()
    expect(await told).toBe('restored')
    await redis.formed()
    await expect
      .poll(() => speaker.publish(`{${CHANNELS[0]}}`, 'a channel of the same slot'), { timeout: 5_000 })
      .toBe(true)
    await allAreHeard('with the replica')
    expect(heard.healthy).toBe(true)
  })
})
