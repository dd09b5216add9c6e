import { openRedis } from '@parley/redis'
import { ownRedis, redisClient, tcpProxy } from '@parley/testkit'
import { expect, it } from 'vitest'
import { Bus } from '../src/index.ts'

it('moves from a Redis that has become a replica, with its connections still open, to the new primary', async () => {
  await using former = await ownRedis()
  await using successor = await ownRedis()
  const at = (url: string) => ({ host: new URL(url).hostname, port: Number(new URL(url).port) })
  // The address of the primary, as a managed service provides it.
  await using name = await tcpProxy(at(former.url))
  const [here, elsewhere] = [new Bus(name.rewrite(former.url), 'here'), new Bus(successor.url, 'elsewhere')]
  const data = openRedis(name.rewrite(former.url), { name: 'data' })
  const blocking = data.duplicate()
  await Promise.all([here.ready(5_000), elsewhere.ready(5_000)])
  const heard: string[] = []
  for (const [bus, who] of [
    [here, 'here'],
    [elsewhere, 'elsewhere'],
  ] as const) {
    bus.subscribe('a channel', () => heard.push(who))
    expect(await bus.barrier(5_000)).toBe(true)
  }
  let restored = false
  here.once('restored', () => {
    restored = true
  })
  const { host, port } = at(successor.url)
  const administrator = await redisClient(former.url)
  await administrator.replicaof(host, port)
  administrator.disconnect()
  await expect(data.set('a key', 'a value')).rejects.toThrow(/^READONLY/)
  expect(heard).toEqual([])
  name.redirect(at(successor.url))

  await expect.poll(() => restored, { timeout: 5_000 }).toBe(true)
  // Its publishing connection reconnects by itself.
  await here.ready(5_000)
  expect(await here.publish('a channel', 'a word')).toBe(true)
  await expect.poll(() => heard.toSorted()).toEqual(['elsewhere', 'here'])
  expect(await data.set('a key', 'a value')).toBe('OK')
  expect(await blocking.set('a key', 'another')).toBe('OK')
  for (const redis of [data, blocking]) redis.disconnect()
  await Promise.all([here.close(), elsewhere.close()])
})
