import { createTestRedis, tcpProxy } from '@parley/testkit'
import { expect, it, vi } from 'vitest'
import { Bus } from '../src/index.ts'

it('emits restored after an outage, however slow Redis is and despite concurrent barriers', async () => {
  await using redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  await using proxy = await tcpProxy({ host, port: Number(port) })
  const bus = new Bus(proxy.rewrite(redis.url), 'test')
  const missed = vi.fn()
  bus.on('restored', missed)
  await bus.ready(5_000)
  bus.subscribe('a channel', () => undefined)
  expect(await bus.barrier()).toBe(true)
  expect(missed).not.toHaveBeenCalled()
  proxy.cut()
  proxy.latency(400)
  // Impatient callers in every turn of the event loop, as when hundreds of users connect.
  const others = setInterval(() => void bus.barrier(50), 1)
  const restored = new Promise<string>((resolve) => bus.once('restored', () => resolve('restored')))
  proxy.restore()
  expect(await restored).toBe('restored')
  clearInterval(others)
  await bus.close()
})

it('receives everything published after restored, or after a barrier requested during the outage', async () => {
  await using redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  await using proxy = await tcpProxy({ host, port: Number(port) })
  const [bus, speaker] = [new Bus(proxy.rewrite(redis.url), 'test'), new Bus(redis.url, 'speaker')]
  await Promise.all([bus.ready(5_000), speaker.ready(5_000)])
  const heard: string[] = []
  const hear = (payload: Buffer) => heard.push(payload.toString())
  bus.subscribe('a channel', hear)
  bus.subscribe('not wanted', hear)
  expect(await bus.barrier()).toBe(true)
  bus.unsubscribe('not wanted')
  const away = new Promise((resolve) => bus.once('error', resolve))
  proxy.cut()
  await away
  const confirmed = bus.barrier(20_000)
  const restored = new Promise<boolean>((resolve) => bus.once('restored', () => resolve(true)))
  proxy.latency(100)
  proxy.restore()
  const say = async (told: Promise<boolean>, word: string) => {
    expect(await told).toBe(true)
    for (const channel of ['not wanted', 'a channel']) await speaker.publish(channel, word)
    await expect.poll(() => heard).toContain(word)
  }
  await Promise.all([say(confirmed, 'once it is confirmed'), say(restored, 'once it is back')])
  expect(heard).toHaveLength(2)
  await Promise.all([bus.close(), speaker.close()])
})

it('publishes and receives again after its connections to Redis have died silently', async () => {
  await using redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  await using proxy = await tcpProxy({ host, port: Number(port) })
  const bus = new Bus(proxy.rewrite(redis.url), 'test')
  await bus.ready(5_000)
  const heard: string[] = []
  bus.subscribe('a channel', (payload) => heard.push(payload.toString()))
  proxy.strand()
  expect(await bus.publish('a channel', 'lost')).toBe(false)
  await expect.poll(() => bus.publish('a channel', 'taken'), { timeout: 20_000 }).toBe(true)
  await expect
    .poll(async () => (await bus.publish('a channel', 'taken')) && heard.length > 0, { timeout: 20_000 })
    .toBe(true)
  await bus.close()
})
