import { createTestRedis, tcpProxy } from '@parley/testkit'
import { expect, it } from 'vitest'
import { Bus, Publisher } from '../src/index.ts'
import { channelOf, conversationRoom } from '../src/rooms.ts'

const CONVERSATION = '00000000-0000-4000-8000-000000000001'

/** A bus behind a network that can be disturbed, and what a listener beside that network receives from it. */
async function setting() {
  const undo = new AsyncDisposableStack()
  const redis = undo.use(await createTestRedis())
  const { hostname: host, port } = new URL(redis.url)
  const network = undo.use(await tcpProxy({ host, port: Number(port) }))
  const [bus, listener] = [new Bus(network.rewrite(redis.url), 'test'), new Bus(redis.url, 'listener')]
  undo.defer(() => listener.close())
  bus.on('error', () => undefined)
  await Promise.all([bus.ready(5_000), listener.ready(5_000)])
  const heard: string[] = []
  for (const channel of ['a channel', channelOf(conversationRoom(CONVERSATION))]) {
    listener.subscribe(channel, (payload) => heard.push(payload.toString()))
  }
  expect(await listener.barrier(5_000)).toBe(true)
  return { bus, network, heard, [Symbol.asyncDispose]: () => undo.disposeAsync() }
}

it('publishes kept messages that Redis did not accept later: the newest thousand', async () => {
  await using bed = await setting()
  const { bus, network, heard } = bed
  network.cut()
  await expect.poll(() => bus.publish('another channel', 'noticed')).toBe(false)
  const marks = Array.from({ length: 1_002 }, (_, n) => `mark ${n}`)
  const taken = await Promise.all(marks.map((mark) => bus.publish('a channel', mark, true)))
  expect(new Set(taken)).toEqual(new Set([false]))
  network.restore()
  // Beyond a thousand, the oldest are dropped.
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual(marks.slice(2))
  await bus.close()
})

it('keeps read marks, but not typing events', async () => {
  await using bed = await setting()
  const { bus, network, heard } = bed
  const publisher = new Publisher(bus, 'a process')
  network.cut()
  await expect.poll(() => bus.publish('another channel', 'noticed')).toBe(false)
  const about = { conversationId: CONVERSATION, userId: 'ahmed', userName: 'Ahmed' }
  const mark = { ...about, messageId: CONVERSATION, seq: 1, rev: 2, readAt: '2026-11-27T00:00:00.000000Z' }
  expect(await publisher.toConversation(CONVERSATION, 'messageRead', mark)).toBe(false)
  expect(await publisher.toConversation(CONVERSATION, 'userTyping', about)).toBe(false)
  network.restore()
  await expect.poll(() => heard, { timeout: 10_000 }).toEqual([expect.stringContaining('messageRead')])
  await bus.close()
})

it('closes once Redis has answered all publishes', async () => {
  await using bed = await setting()
  const { bus, network, heard } = bed
  network.latency(200)
  const first = bus.publish('a channel', 'first')
  await new Promise(setImmediate)
  // Sent once the first is answered.
  const second = bus.publish('a channel', 'second')
  await bus.close()
  expect(await Promise.all([first, second])).toEqual([true, true])
  await expect.poll(() => heard).toEqual(['first', 'second'])
})

it('waits for an unresponsive Redis no longer than a publish may take', async () => {
  await using bed = await setting()
  bed.network.stall()
  const published = bed.bus.publish('a channel', 'said')
  const began = performance.now()
  await bed.bus.close()
  expect(performance.now() - began).toBeLessThan(3_000)
  expect(await published).toBe(false)
})
