import { createTestRedis, tcpProxy } from '@parley/testkit'
import { expect, it } from 'vitest'
import { Bus } from '../src/index.ts'

it('says that it was away, however slow Redis is and whoever waits for it meanwhile', async () => {
  await using redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  await using proxy = await tcpProxy({ host, port: Number(port) })
  const bus = new Bus(proxy.rewrite(redis.url), 'test')
  await bus.ready(5_000)
  bus.subscribe('a channel', () => undefined)
  proxy.cut()
  proxy.latency(400)
  // Impatient callers at every turn of the loop, as when hundreds connect.
  const others = setInterval(() => void bus.barrier(50), 1)
  const restored = new Promise<string>((resolve) => bus.once('restored', () => resolve('restored')))
  proxy.restore()
  expect(await restored).toBe('restored')
  clearInterval(others)
  await bus.close()
})

it('publishes and hears again when the connections to Redis have gone silent and were never closed', async () => {
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
}, 50_000)
