import { openRedis, redisReady } from '@parley/redis'
import { tcpProxy } from '@parley/testkit'
import { describe, expect, it } from 'vitest'
import { eventually, setting } from './setting.ts'

/* These need a proxy in front of a single Redis, so they are skipped on a cluster (infra/local/profiles.mjs). */

describe('a Redis whose answers are lost', () => {
  it('after they were written still leads to the announcement', async () => {
    await using world = await setting()
    const { hostname: host, port } = new URL(world.redis.url)
    await using proxy = await tcpProxy({ host, port: Number(port) })
    const redis = openRedis(proxy.rewrite(world.redis.url), { name: 'test', retryDelay: () => 50 })
    await redisReady(redis, 5_000)
    const gateway = await world.gateway({ redis, connectWaitMs: 5_000 })
    proxy.latency(250)
    const coming = gateway.connect('ann', '1')
    await eventually(() => world.raw.exists('presence:user:ann'), 1)
    proxy.cut()
    proxy.latency(0)
    proxy.restore()
    expect(await coming).toEqual({ becameOnline: true })
    redis.disconnect()
  })

  it('and that has lost its last writes, as after a crash or a failover, is corrected', async () => {
    await using world = await setting()
    const { hostname: host, port } = new URL(world.redis.url)
    await using proxy = await tcpProxy({ host, port: Number(port) })
    const redis = openRedis(proxy.rewrite(world.redis.url), { name: 'test', retryDelay: () => 50 })
    await redisReady(redis, 5_000)
    const gateway = await world.gateway({ redis })
    const people = `presence:people:${gateway.epoch}.1`
    for (const userId of ['ann', 'ben']) await gateway.connect(userId, '1')
    const entries = await world.raw.hgetall('presence:user:ben')
    gateway.disconnect('ben', '1')
    await eventually(() => world.raw.smembers(people), ['ann'])
    proxy.cut()
    // Loses both her arrival and his departure.
    await world.raw.del('presence:user:ann', 'presence:leaving', 'presence:user:ben', people)
    await world.raw.hset('presence:user:ben', entries)
    await world.raw.sadd(people, 'ben')
    expect([await world.isOnline('ann'), await world.isOnline('ben')]).toEqual([false, true])
    proxy.restore()
    await eventually(() => world.isOnline('ann'), true)
    const { reported } = await world.reaper()
    await eventually(() => reported.map(({ userId }) => userId), ['ben'])
    // Cleaning up after a dead gateway works as usual.
    redis.disconnect()
    await world.raw.del(`presence:lease:${gateway.epoch}`)
    await eventually(() => reported.map(({ userId }) => userId), ['ben', 'ann'])
  })
})
