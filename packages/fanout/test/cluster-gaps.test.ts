import { SLOTS, slotOf } from '@parley/redis'
import { type ClusterNode, redisCluster, type TestRedisCluster } from '@parley/testkit'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { Bus } from '../src/index.ts'

const CHANNEL = 'a channel'
const SLOT = slotOf(CHANNEL)
/** Nodes that miss others, or see them again, say so after twice their time-out or so, of two seconds; later on a busy machine. */
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

/** Says the marks, which Redis does not take. */
async function keepMarks(speaker: Bus): Promise<void> {
  const taken = await Promise.all(MARKS.map((mark) => speaker.publish(CHANNEL, mark, true)))
  expect(taken).toEqual(MARKS.map(() => false))
}

/** Brings back those that do not run. */
async function startAll(): Promise<void> {
  for (const node of redis.nodes) if (!node.running) await node.start()
}

/** How many publishes the channel's node has taken. */
async function taken(): Promise<number> {
  const stats = String(await owner.call('info', 'commandstats'))
  return Number(/cmdstat_spublish:calls=(\d+)/.exec(stats)?.[1] ?? 0)
}

const restored = (bus: Bus) => new Promise<string>((resolve) => bus.once('restored', () => resolve('restored')))

it('publishes later what is to be kept in the order in which it was said, though it is refused once more', async () => {
  const [speaker, listener] = [await openBus('speaker'), await openBus('listener')]
  const heard: string[] = []
  listener.subscribe(CHANNEL, (payload) => heard.push(payload.toString()))
  expect(await listener.barrier(5_000)).toBe(true)
  await owner.call('acl', 'setuser', 'default', '-spublish')
  expect(await speaker.publish(CHANNEL, 'first', true)).toBe(false)
  const publish = speaker.publish.bind(speaker)
  const next = new Promise<boolean>((resolve) => {
    // Just before the first is tried again.
    vi.spyOn(speaker, 'publish').mockImplementationOnce((...again) => {
      resolve(publish(CHANNEL, 'second', true))
      return publish(...again)
    })
  })
  expect(await next).toBe(false)
  await owner.call('acl', 'setuser', 'default', '+spublish')
  await expect.poll(() => heard).toEqual(['first', 'second'])
  await Promise.all([speaker.close(), listener.close()])
})

it('publishes what is to be kept once its node is back', async () => {
  const speaker = await openBus('speaker')
  await owner.kill()
  onTestFinished(() => startAll())
  await keepMarks(speaker)
  expect(await speaker.publish(CHANNEL, 'not to be kept')).toBe(false)
  await startAll()
  await expect.poll(taken).toBe(MARKS.length)
  await speaker.close()
})

// docs/OPERATIONS.md says why it is told so.
it('is refused by a node that is told to take no publishes without the others, and comes to it once they are back', async () => {
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

describe('a slot that no node has', () => {
  beforeEach(async () => {
    await redis.formed()
    for (const node of redis.nodes) {
      // All other slots are served.
      await node.call('config', 'set', 'cluster-require-full-coverage', 'no')
      await node.call('cluster', 'delslots', SLOT)
    }
  })
  afterEach(giveBack)

  /** Whether each slot has a node, as all nodes know it. */
  async function assigned(): Promise<boolean> {
    const infos = await Promise.all(redis.nodes.map((node) => node.call('cluster', 'info')))
    return infos.every((info) => String(info).includes(`cluster_slots_assigned:${SLOTS}`))
  }

  async function giveBack(): Promise<void> {
    if (await assigned()) return
    await owner.call('cluster', 'addslots', SLOT)
    // The other nodes believe the newer epoch.
    await owner.call('cluster', 'bumpepoch')
    await expect.poll(assigned).toBe(true)
  }

  it('is published to what is to be kept, once a node has it', async () => {
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

  it('has no subscription in force before a node has it', async () => {
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
