import type { Conversation, Message, User } from '@parley/protocol'
import {
  type Cluster,
  createTestRedis,
  dataOf,
  direct,
  disconnected,
  emit,
  group,
  next,
  startCluster,
  type TcpProxy,
  type TestRedis,
  tcpProxy,
  user,
} from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'

/* One of two gateways is cut off from Redis for a while, or Redis does not answer it. */

const CONVERSATIONS = '/api/messages/conversations'

let redis: TestRedis
let proxy: TcpProxy
let cluster: Cluster
beforeAll(async () => {
  redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  proxy = await tcpProxy({ host, port: Number(port) })
  cluster = await startCluster({
    gateways: 2,
    edge: true,
    services: { redis },
    podEnv: (name) => (name === 'gateway-2' ? { REDIS_URL: proxy.rewrite(redis.url) } : {}),
  })
})
afterEach(() => proxy.restore())
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
  await redis?.[Symbol.asyncDispose]()
})

const near = (who: User) => cluster.socket(who, { gateway: 0, transports: ['websocket'] })
const far = (who: User) => cluster.socket(who, { gateway: 1, transports: ['websocket'], timeout: 15_000 })
const send = async (socket: Socket, conversationId: string, content: string) =>
  dataOf(await emit<Message>(socket, 'sendMessage', { conversationId, content }))

it('somebody removed and added again meanwhile is not removed by the late news of the removal', async () => {
  const [owner, back, witness] = [user('Owner'), user('Back'), user('Witness')]
  const { id } = await group(cluster, owner, [back, witness])
  const [o, b, w] = await Promise.all([near(owner), far(back), far(witness)])
  const heard = next(w, 'newMessage')
  await send(o, id, 'before')
  await heard
  const restored = Promise.all([b, w].map((socket) => next(socket, 'resync', undefined, { timeoutMs: 15_000 })))
  proxy.cut()
  const people = cluster.api(owner)
  expect((await people.delete(`${CONVERSATIONS}/${id}/participants/${back.id}`)).status).toBe(200)
  dataOf(await people.post<Conversation>(`${CONVERSATIONS}/${id}/participants`, { userIds: [back.id] }))
  proxy.restore()
  await restored
  const told = Promise.all([b, w].map((socket) => next(socket, 'newMessage', ({ content }) => content === 'after')))
  await send(o, id, 'after')
  await told
  const again = next(b, 'newMessage', ({ content }) => content === 'and again')
  await send(o, id, 'and again')
  await again
})

it('somebody removed meanwhile receives nothing more, even if too many messages were missed to fetch', async () => {
  const [owner, witness, gone] = [user('Owner'), user('Witness'), user('Gone')]
  const { id } = await group(cluster, owner, [witness, gone])
  const o = await near(owner)
  const first = await far(witness)
  // So many sockets that the last ones are resynced, and their rooms corrected, some seconds after the cut.
  for (let i = 0; i < 30; i++) await far(witness)
  const g = await far(gone)
  const heard: string[] = []
  g.on('newMessage', ({ content }: Message) => heard.push(content))
  const resyncs = [first, g].map((socket) => next(socket, 'resync', undefined, { timeoutMs: 15_000 }))
  proxy.cut()
  expect((await cluster.api(owner).delete(`${CONVERSATIONS}/${id}/participants/${gone.id}`)).status).toBe(200)
  await Promise.all(Array.from({ length: 120 }, (_, i) => send(o, id, `missed ${i}`)))
  proxy.restore()
  await resyncs[0]
  const told = next(first, 'newMessage', ({ content }) => content === 'not for all')
  await send(o, id, 'not for all')
  await told
  await resyncs[1]
  expect(heard).toEqual([])
})

it('sockets whose tokens were revoked meanwhile are closed once Redis is back', async () => {
  const who = user('Revoked')
  const gone = disconnected(await far(who), { timeoutMs: 15_000 })
  proxy.cut()
  dataOf(await cluster.service().post(`/api/users/${who.id}/revoke-tokens`, {}))
  proxy.restore()
  expect(await gone).toBe('transport close')
})

it('somebody let in while Redis was silent is told to sync once their subscriptions are confirmed', async () => {
  const [owner, late] = [user('Owner'), user('Late')]
  const { id } = await direct(cluster, owner, late)
  const o = await near(owner)
  proxy.stall()
  const l = await far(late)
  const resync = next(l, 'resync', undefined, { timeoutMs: 15_000 })
  await send(o, id, 'missed')
  proxy.restore()
  await resync
})
