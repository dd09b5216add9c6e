import { conversationRoom } from '@parley/fanout'
import { createTestRedis, type TestRedis, tcpProxy } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { created, hears, left, message, oneGateway } from './one-gateway.ts'

/* These put a proxy in front of a single Redis, so they are skipped on Redis Cluster (infra/local/profiles.mjs). */

let redis: TestRedis
beforeAll(async () => {
  redis = await createTestRedis()
})
afterAll(() => redis?.[Symbol.asyncDispose]())

describe('with a slow Redis', () => {
  /** Creates a gateway with 100 ms latency to Redis, and a publisher without. */
  async function farFromRedis() {
    const undo = new AsyncDisposableStack()
    const { hostname: host, port } = new URL(redis.url)
    const proxy = undo.use(await tcpProxy({ host, port: Number(port) }))
    const world = undo.use(await oneGateway(redis.url, { ownUrl: proxy.rewrite(redis.url) }))
    proxy.latency(100)
    return { ...world, [Symbol.asyncDispose]: () => undo.disposeAsync() }
  }

  it('a change of a person’s conversations is not missed while they connect', async () => {
    await using world = await farFromRedis()
    const id = crypto.randomUUID()
    // Removed right after the look-up.
    world.base.memberships = async (userId) => {
      await world.speaker.leave(userId, 6, left(id))
      return [{ conversationId: id, lastSeq: 5 }]
    }
    const { server } = await world.open('gone')
    expect([...server.rooms]).not.toContain(conversationRoom(id))
  })

  it('messages sent once a socket is connected reach it', async () => {
    await using world = await farFromRedis()
    const id = crypto.randomUUID()
    const { socket, heard } = await world.open('there', { conversationId: id, lastSeq: 5 })
    await Promise.all([hears(socket, 6), world.speaker.message(message(id, 6))])
    expect(heard).toEqual([6])
  })

  it('messages sent while somebody is being added reach them', async () => {
    await using world = await farFromRedis()
    const id = crypto.randomUUID()
    const { socket, heard } = await world.open('late')
    // Stored right after the query.
    world.base.stored = async () => {
      await world.speaker.message(message(id, 6))
      return []
    }
    await Promise.all([hears(socket, 6), world.speaker.join('late', 5, created(id))])
    expect(heard).toEqual(['created', 6])
  })
})
