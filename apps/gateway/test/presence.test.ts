import type { Conversation, User } from '@parley/protocol'
import type { RedisClient } from '@parley/redis'
import {
  type Cluster,
  dataOf,
  direct,
  emit,
  group,
  next,
  reconnected,
  redisClient,
  startCluster,
  user,
} from '@parley/testkit'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'

let cluster: Cluster
let redis: RedisClient
let killed: Promise<{ tookMs: number; said: unknown; cameBack: boolean; online: string[] }>

beforeAll(async () => {
  cluster = await startCluster({ gateways: 3 })
  redis = await redisClient(cluster.redisUrl)
  killed = killGateway()
  // Awaited by the last test, as it takes as long as all others together.
  killed.catch(() => undefined)
})
afterAll(async () => {
  redis?.disconnect()
  await cluster?.[Symbol.asyncDispose]()
})

const open = (who: User, gateway: number) => cluster.socket(who, { gateway, transports: ['websocket'] })
const onlineFor = async (socket: Socket) => dataOf(await emit<string[]>(socket, 'getOnlineUsers'))

async function pair(): Promise<[User, User]> {
  const people: [User, User] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  await direct(cluster, ...people)
  return people
}

/** Collects every presence event that a socket receives. */
function presenceOf(socket: Socket): [string, string][] {
  const heard: [string, string][] = []
  for (const event of ['userOnline', 'userOffline'] as const) {
    socket.on(event, ({ userName }: { userName: string }) => heard.push([event, userName]))
  }
  return heard
}

/** Returns the epochs of the gateways that hold connections of a person, from Redis. */
async function holdersOf({ id }: User): Promise<string[]> {
  return (await redis.hkeys(`presence:user:${id}`)).map((connection) => connection.slice(0, connection.indexOf(':')))
}

/** Resolves once a person's last connection at a gateway is gone and the worker has reported that, after the grace. */
async function lookedAt({ id }: User, holder: string): Promise<void> {
  await expect.poll(() => redis.sismember(`presence:people:${holder}`, id)).toBe(0)
  await expect.poll(() => redis.zscore('presence:leaving', id)).toBeNull()
}

/** SIGKILLs the third gateway, with two people on it, one of whom also has a device on another gateway. */
async function killGateway() {
  const [watcher, lost, elsewhere] = [user('Watcher'), user('Lost'), user('Elsewhere')]
  await group(cluster, watcher, [lost, elsewhere])
  const w = await open(watcher, 0)
  const came = presenceOf(w)
  await Promise.all([open(lost, 2), open(elsewhere, 2), open(elsewhere, 1)])
  // Announced as well, so that whatever is announced from here on is about the kill.
  await expect.poll(() => came).toHaveLength(2)
  await expect.poll(() => onlineFor(w)).toHaveLength(2)
  const heard = presenceOf(w)
  const offline = next(w, 'userOffline', undefined, { timeoutMs: 30_000 })
  // Otherwise the clients would reconnect and be online again.
  await cluster.gateways[2]?.kill('SIGKILL')
  const since = performance.now()
  const said = await offline
  const tookMs = performance.now() - since
  return { tookMs, said, cameBack: heard.length > 1, online: await onlineFor(w) }
}

it('userOnline on the first device, not on the second; userOffline after the last, and a grace', async () => {
  const [ahmed, fatima] = await pair()
  const a = await open(ahmed, 0)
  const heard = presenceOf(a)
  const online = next(a, 'userOnline')
  const first = await open(fatima, 1)
  expect(await online).toEqual({ userId: fatima.id, userName: 'Fatima Rahman' })
  expect(await onlineFor(a)).toEqual([fatima.id])
  const [holder = ''] = await holdersOf(fatima)
  const second = await open(fatima, 0)
  first.disconnect()
  // The second device keeps her online.
  await lookedAt(fatima, holder)
  expect(await onlineFor(a)).toEqual([fatima.id])
  const offline = next(a, 'userOffline')
  const closedAt = Date.now()
  second.disconnect()
  const said = await offline
  const toldAt = Date.now()
  expect(toldAt - closedAt).toBeGreaterThan(2_500)
  expect(said).toEqual({ userId: fatima.id, userName: 'Fatima Rahman', lastSeen: expect.any(String) })
  // The time she disconnected, which was a grace before it was reported.
  expect(Date.parse(said.lastSeen)).toBeGreaterThanOrEqual(closedAt)
  expect(toldAt - Date.parse(said.lastSeen)).toBeGreaterThan(2_500)
  expect(await onlineFor(a)).toEqual([])
  expect(heard).toEqual([
    ['userOnline', 'Fatima Rahman'],
    ['userOffline', 'Fatima Rahman'],
  ])
  const [conversation] = dataOf(await cluster.api(ahmed).get<Conversation[]>('/api/messages/conversations'))
  expect(conversation?.participants).toMatchObject([
    { id: fatima.id, isOnline: false, lastSeen: said.lastSeen },
    { id: ahmed.id, isOnline: true },
  ])
})

it('somebody who reconnects within the grace, on another gateway, was never offline', async () => {
  const [ahmed, fatima] = await pair()
  const a = await open(ahmed, 0)
  const online = next(a, 'userOnline')
  const f = await open(fatima, 1)
  await online
  const heard = presenceOf(a)
  const [holder = ''] = await holdersOf(fatima)
  // Everything but the last step is done beforehand, so that she is back in time even on a busy machine.
  const auth = { token: cluster.token(fatima) }
  const again = io(cluster.gateways[0]?.url ?? '', {
    auth,
    transports: ['websocket'],
    forceNew: true,
    autoConnect: false,
  })
  onTestFinished(() => void again.disconnect())
  await new Promise<unknown>((resolve) => again.io.open(resolve))
  f.disconnect()
  expect(await onlineFor(a)).toEqual([fatima.id])
  again.connect()
  await reconnected(again)
  await lookedAt(fatima, holder)
  // Anything announced about her would have arrived before this.
  const last = user('The last')
  await direct(cluster, ahmed, last)
  const told = next(a, 'userOnline', ({ userId }) => userId === last.id)
  await open(last, 1)
  await told
  expect(heard).toEqual([['userOnline', 'The last']])
  expect(again.connected).toBe(true)
})

it('simultaneous first connections on both gateways are announced once', async () => {
  const [ahmed, fatima] = await pair()
  const a = await open(ahmed, 0)
  const heard = presenceOf(a)
  const online = next(a, 'userOnline')
  await Promise.all([0, 1, 0, 1, 0, 1].map((gateway) => open(fatima, gateway)))
  await online
  // Her next message arrives after anything else announced about her.
  const { id: conversationId } = await direct(cluster, ahmed, fatima)
  const message = next(a, 'newMessage')
  await emit(await open(fatima, 1), 'sendMessage', { conversationId, content: 'Here.' })
  await message
  expect(heard).toEqual([['userOnline', 'Fatima Rahman']])
})

it('many simultaneous arrivals are each announced once to those online, over either transport, and not to themselves', async () => {
  const watcher = user('Watcher')
  const crowd = Array.from({ length: 40 }, (_, i) => user(`One of the crowd ${i}`))
  await group(cluster, watcher, crowd)
  await group(cluster, watcher, crowd.slice(0, 20))
  const watching = [await open(watcher, 0), await cluster.socket(watcher, { gateway: 1, transports: ['polling'] })]
  const heard = watching.map(presenceOf)
  const sockets = await Promise.all(crowd.map((who, i) => open(who, i % 2)))
  const ownNews = sockets.flatMap((socket, i) => {
    const own: unknown[] = []
    socket.on('userOnline', ({ userId }) => userId === crowd[i]?.id && own.push(userId))
    return [own]
  })
  const all = crowd.map(({ fullName }) => ['userOnline', fullName]).sort()
  for (const news of heard) await expect.poll(() => news.toSorted()).toEqual(all)
  // Anything else announced about the crowd would have arrived before this.
  const last = user('The last')
  await group(cluster, watcher, [last])
  const told = watching.map((socket) => next(socket, 'userOnline', ({ userId }) => userId === last.id))
  await open(last, 1)
  await Promise.all(told)
  for (const news of heard) expect(news).toHaveLength(crowd.length + 1)
  expect(ownNews.flat()).toEqual([])
})

it('presence is shown to people who share a conversation, in groups up to 100, and to nobody else', async () => {
  const [ahmed, fatima] = await pair()
  const [stranger, mate] = [user('Stranger'), user('Mate of a large group')]
  const crowd = Array.from({ length: 100 }, (_, i) => user(`One of many ${i}`))
  await group(cluster, ahmed, [mate, ...crowd])
  const [s, m, f] = await Promise.all([open(stranger, 0), open(mate, 1), open(fatima, 0)])
  const [strangerHeard, mateHeard] = [presenceOf(s), presenceOf(m)]
  const online = next(f, 'userOnline')
  await open(ahmed, 1)
  expect(await online).toMatchObject({ userId: ahmed.id })
  expect(await onlineFor(f)).toEqual([ahmed.id])
  expect(await onlineFor(s)).toEqual([])
  expect(await onlineFor(m)).toEqual([])
  expect([...strangerHeard, ...mateHeard]).toEqual([])
})

it('a SIGKILLed gateway’s people are offline within 20 s; those also on another gateway stay online', async () => {
  const { tookMs, said, cameBack, online } = await killed
  expect(said).toMatchObject({ userName: 'Lost', lastSeen: expect.any(String) })
  expect(tookMs).toBeLessThan(20_000)
  expect(cameBack).toBe(false)
  expect(online).toHaveLength(1)
})
