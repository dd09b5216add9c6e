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
