import { SLOTS, slotOf } from '@parley/redis'
import { type ClusterNode, redisCluster, type TestRedisCluster } from '@parley/testkit'
import { Cluster } from 'ioredis'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { Bus } from '../src/index.ts'

const CHANNEL = 'a channel'
const SLOT = slotOf(CHANNEL)
/** Nodes notice an outage of others, or its end, after about twice their timeout of two seconds; later on a busy machine. */
const FAILURE_MS = 30_000
const MARKS = ['mark 1', 'mark 2', 'mark 3']

let redis: TestRedisCluster
/** The node of the channel's slot. */
let owner: ClusterNode

beforeAll(async () => {
  redis = await redisCluster()
  const node = redis.nodes[Math.floor(SLOT / 5_462)]
  if (node === undefined) throw new Error('no node')
  owner = node
})
afterAll(() => redis?.[Symbol.asyncDispose]())

async function openBus(name: string): Promise<Bus> {
  const bus = new Bus(redis.url, name).on('error', () => undefined)
  await bus.ready(10_000)
  return bus
}

/** Publishes the marks, to be kept, while Redis does not accept them. */
async function keepMarks(speaker: Bus): Promise<void> {
  const taken = await Promise.all(MARKS.map((mark) => speaker.publish(CHANNEL, mark, true)))
  expect(taken).toEqual(MARKS.map(() => false))
}

/** Starts the nodes that are not running. */
async function startAll(): Promise<void> {
  for (const node of redis.nodes) if (!node.running) await node.start()
}

/** Number of publishes that the channel's node has accepted. */
async function taken(): Promise<number> {
  const stats = String(await owner.call('info', 'commandstats'))
  return Number(/cmdstat_spublish:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

const restored = (bus: Bus) => new Promise<string>((resolve) => bus.once('restored', () => resolve('restored')))

it('publishes kept messages later in their original order, even if they are refused once more', async () => {
  const [speaker, listener] = [await openBus('speaker'), await openBus('listener')]
  const heard: string[] = []
  listener.subscribe(CHANNEL, (payload) => heard.push(payload.toString()))
  expect(await listener.barrier(5_000)).toBe(true)
  await owner.call('acl', 'setuser', 'default', '-spublish')
  expect(await speaker.publish(CHANNEL, 'first', true)).toBe(false)
  const { spublish } = Cluster.prototype
  const next = new Promise<boolean>((resolve) => {
    // Just before the first one is retried.
    vi.spyOn(Cluster.prototype, 'spublish').mockImplementationOnce(function (this: Cluster, ...again) {
      resolve(speaker.publish(CHANNEL, 'second', true))
      return spublish.apply(this, again)
    })
  })
  expect(await next).toBe(false)
  await owner.call('acl', 'setuser', 'default', '+spublish')
  await expect.poll(() => heard).toEqual(['first', 'second'])
  // However often each was tried.
  expect([speaker.publishes, speaker.failedPublishes]).toEqual([2, 2])
  await Promise.all([speaker.close(), listener.close()])
})

it('publishes kept messages once their node is back', async () => {
  const speaker = await openBus('speaker')
  await owner.kill()
  onTestFinished(() => startAll())
  await keepMarks(speaker)
  expect(await speaker.publish(CHANNEL, 'not to be kept')).toBe(false)
  await startAll()
  await expect.poll(taken).toBe(MARKS.length)
  await speaker.close()
})

// docs/OPERATIONS.md explains this setting.
it('a node set to refuse publishes while cut off from the others gets kept messages once they are back', async () => {
  // A node that was restarted, as by the test before, counts the cluster as down for its first seconds.
  await redis.formed()
  const speaker = await openBus('speaker')
  await owner.call('config', 'set', 'cluster-allow-pubsubshard-when-down', 'no')
  for (const node of redis.nodes) if (node !== owner) await node.kill()
  onTestFinished(() => startAll())
  await expect.poll(() => speaker.publish(CHANNEL, 'without the others'), { timeout: FAILURE_MS }).toBe(false)
  const before = await taken()
  await keepMarks(speaker)
  expect(await taken()).toBe(before)
  await startAll()
  await expect.poll(taken, { timeout: FAILURE_MS }).toBe(before + MARKS.length)
  await speaker.close()
})

describe('a slot without a node', () => {
  beforeEach(async () => {
    await redis.formed()
    for (const node of redis.nodes) {
      // So that all other slots are still served.
      await node.call('config', 'set', 'cluster-require-full-coverage', 'no')
      await node.call('cluster', 'delslots', SLOT)
    }
  })
  afterEach(giveBack)

  /** Whether each slot has a node according to all nodes. */
  async function assigned(): Promise<boolean> {
    const infos = await Promise.all(redis.nodes.map((node) => node.call('cluster', 'info')))
    return infos.every((info) => String(info).includes(`cluster_slots_assigned:${SLOTS}`))
  }

  async function giveBack(): Promise<void> {
    if (await assigned()) return
    await owner.call('cluster', 'addslots', SLOT)
    // The other nodes accept the claim with the newer epoch.
    await owner.call('cluster', 'bumpepoch')
    await expect.poll(assigned).toBe(true)
  }

  it('gets kept messages once it has a node', async () => {
    const speaker = await openBus('speaker')
    const errors = new Set<string>()
    speaker.on('error', ({ message }) => errors.add(message))
    const before = await taken()
    await keepMarks(speaker)
    expect(errors).toEqual(new Set(['CLUSTERDOWN Hash slot not served']))
    await giveBack()
    await expect.poll(taken).toBe(before + MARKS.length)
    await speaker.close()
  })

  it('has no active subscription before it has a node', async () => {
    const [speaker, listener] = [await openBus('speaker'), await openBus('listener')]
    const heard: string[] = []
    listener.subscribe(CHANNEL, (payload) => heard.push(payload.toString()))
    expect(await listener.barrier(5_000)).toBe(false)
    const told = restored(listener)
    await giveBack()
    expect(await told).toBe('restored')
    expect(await listener.barrier(5_000)).toBe(true)
    await expect.poll(() => speaker.publish(CHANNEL, 'said')).toBe(true)
    await expect.poll(() => heard).toEqual(['said'])
    await Promise.all([speaker.close(), listener.close()])
  })
})
