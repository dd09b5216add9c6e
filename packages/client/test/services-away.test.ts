import { createTestRedis, direct, providedServices, startCluster, tcpProxy, user } from '@parley/testkit'
import { describe, expect, it } from 'vitest'
import { liveClient, until, untilDelivered } from './setting.ts'

describe('ParleyClient while services of the cluster are down', () => {
  it('connects, sends and receives without Redis, and has presence when it is back', async () => {
    await using cluster = await startCluster({ gateways: 1 })
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const states: string[] = []
    fatima.client.on('state', (state) => states.push(state))
    await cluster.redis.kill()
    ahmed.client.disconnect()
    ahmed.client.connect()
    await ahmed.client.whenLive()
    await ahmed.client.send(id, 'without Redis')
    await untilDelivered(fatima, ({ length }) => length === 1)
    await cluster.redis.start()
    await until(ahmed.client.presence, (online) => online.has(b.id), 20_000)
    // A client that stayed connected is told to resync and shows what it missed.
    await until(fatima.client.state, (state) => state === 'live' && states.includes('syncing'))
    expect(new Set(states)).toEqual(new Set(['syncing', 'live']))
  })

  it('shows users as in the list of online users, whatever an api without Redis said', async () => {
    // The api has a Redis of its own, so that it alone can lose it: the nodes of a Redis Cluster cannot be proxied.
    await using redisOfApi = await createTestRedis()
    const podEnv = (name: string): Record<string, string> => (name === 'api-1' ? { REDIS_URL: redisOfApi.url } : {})
    await using cluster = await startCluster({ gateways: 1, workers: 0, podEnv })
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b)
    using ahmed = await liveClient(cluster, a)
    await redisOfApi.kill()
    const { participants } = await ahmed.client.fetchConversation(id)
    expect(participants[0]).toMatchObject({ id: b.id, isOnline: false })
    await redisOfApi.start()
    ahmed.client.disconnect()
    ahmed.client.connect()
    await ahmed.client.whenLive()
    expect(ahmed.client.presence.getSnapshot()).toEqual(new Set([fatima.client.userId]))
    expect(ahmed.client.conversation(id)?.participants[0]).toMatchObject({ id: b.id, isOnline: true })
  })

  it('keeps its connection and pending messages while Postgres is down', async () => {
    const { hostname: host, port } = new URL(providedServices().postgres.adminUrl)
    await using postgres = await tcpProxy({ host, port: Number(port || 5432) })
    await using cluster = await startCluster({ gateways: 1, databaseUrl: (real) => postgres.rewrite(real) })
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const states: string[] = []
    ahmed.client.on('state', (state) => states.push(state))
    postgres.cut()
    const sent = [ahmed.client.send(id, 'one'), ahmed.client.send(id, 'two')]
    await until(ahmed.client.messages(id), ({ pending }) => pending[0]?.error?.code === 'UNAVAILABLE')
    postgres.restore()
    expect((await Promise.all(sent)).map(({ seq }) => seq)).toEqual([1, 2])
    await untilDelivered(fatima, ({ length }) => length === 2)
    expect(states).toEqual([])
  })
})
