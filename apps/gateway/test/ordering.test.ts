import { randomUUID } from 'node:crypto'
import { appendMessages } from '@parley/db'
import type { Message } from '@parley/protocol'
import { type Cluster, dataOf, emit, group, next, redisClient, startCluster, user } from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, it } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const oneTo = (n: number) => Array.from({ length: n }, (_, i) => i + 1)
const pathOf = (id: string) => `/api/messages/conversations/${id}/messages`

/**
 * Collects the seqs of a conversation's messages as they arrive, up to the mark (see {@link sendMark}). A duplicate would arrive
 * before it.
 */
function arrivals(socket: Socket, conversationId: string): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const seqs: number[] = []
    const late = setTimeout(() => reject(new Error(`${seqs.length} messages and no mark: ${seqs.join(' ')}`)), 15_000)
    socket.on('newMessage', (message: Message) => {
      if (message.conversationId !== conversationId) return
      if (message.content !== MARK) return void seqs.push(message.seq)
      clearTimeout(late)
      resolve(seqs)
    })
  })
}

const MARK = 'The mark'

/** Sends a message that arrives after everything published in the conversation so far. */
async function sendMark(socket: Socket, conversationId: string): Promise<void> {
  dataOf(await emit<Message>(socket, 'sendMessage', { conversationId, content: MARK }))
}

it('50 people send at once over both gateways and HTTP: everybody receives 1..n in order, without a gap', async () => {
  const people = oneTo(50).map((n) => user(`Sender ${n}`))
  const [owner, ...members] = people
  if (owner === undefined) throw new RangeError('there are fifty')
  const { id } = await group(cluster, owner, members)
  const sockets = await Promise.all(
    people.map((who, n) => cluster.socket(who, { gateway: n % 2, transports: ['websocket'] })),
  )
  const each = 6
  const total = people.length * each
  const received = Promise.all(sockets.map((socket) => arrivals(socket, id)))
  const acked = await Promise.all(
    sockets.map(async (socket, n) => {
      const api = cluster.api(people[n] ?? owner)
      const own: Message[] = []
      for (let i = 0; i < each; i++) {
        const content = `${n}.${i}`
        const sent = n % 5 === 0 ? api.post<Message>(pathOf(id), { content }) : undefined
        own.push(dataOf((await sent) ?? (await emit<Message>(socket, 'sendMessage', { conversationId: id, content }))))
      }
      return own
    }),
  )
  const pages = await Promise.all(
    [3, 2, 1].map((page) => cluster.api(owner).get<Message[]>(`${pathOf(id)}?limit=100&page=${page}`)),
  )
  const [first] = sockets
  if (first !== undefined) await sendMark(first, id)
  const expected = oneTo(total)
  for (const seqs of await received) expect(seqs).toEqual(expected)
  const stored = acked.flat().sort((one, other) => one.seq - other.seq)
  expect(stored.map(({ seq }) => seq)).toEqual(expected)
  // Each person's own messages keep their order, and createdAt increases with seq.
  for (const own of acked)
    expect(own.map(({ seq }) => seq)).toEqual(own.map(({ seq }) => seq).toSorted((a, b) => a - b))
  expect(stored.map(({ createdAt }) => createdAt)).toEqual(stored.map(({ createdAt }) => createdAt).toSorted())
  expect(new Set(stored.map(({ createdAt }) => createdAt)).size).toBe(total)
  expect(pages.flatMap(dataOf).map(({ seq, content }) => [seq, content])).toEqual(
    stored.map(({ seq, content }) => [seq, content]),
  )
})

it('a message lost on its way to the gateways is fetched by them and delivered in its place', async () => {
  const [owner, member] = [user('Owner'), user('Member')]
  const { id: conversationId } = await group(cluster, owner, [member])
  const [o, m] = await Promise.all([
    cluster.socket(owner, { gateway: 0, transports: ['websocket'] }),
    cluster.socket(member, { gateway: 1, transports: ['websocket'] }),
  ])
  const received = Promise.all([arrivals(o, conversationId), arrivals(m, conversationId)])
  // Stored under a live process's epoch, so that the worker leaves it alone, but never published.
  const redis = await redisClient(cluster.redisUrl)
  const origin = `${randomUUID()}.0`
  await redis.set(`parley:published:${origin}`, 0, 'PX', 60_000)
  await redis.sadd('parley:publishers', origin)
  redis.disconnect()
  const lost = { id: randomUUID(), conversationId, senderId: owner.id, clientMessageId: randomUUID(), content: 'Lost' }
  await appendMessages(cluster.sql, [{ ...lost, type: 'TEXT', attachments: [], system: null }], origin, 1)
  expect(dataOf(await emit<Message>(o, 'sendMessage', { conversationId, content: 'Next' })).seq).toBe(2)
  await sendMark(o, conversationId)
  expect(await received).toEqual([
    [1, 2],
    [1, 2],
  ])
})

it('messages sent on one connection without waiting for acks are stored in the order of sending', async () => {
  const [owner, member] = [user('Owner'), user('Member')]
  const { id } = await group(cluster, owner, [member])
  const [o, m] = await Promise.all([
    cluster.socket(owner, { gateway: 0, transports: ['websocket'] }),
    cluster.socket(member, { gateway: 1, transports: ['websocket'] }),
  ])
  const received = arrivals(m, id)
  const acks = oneTo(200).map((n) => emit<Message>(o, 'sendMessage', { conversationId: id, content: String(n) }))
  expect((await Promise.all(acks)).map(dataOf).map(({ seq, content }) => [seq, content])).toEqual(
    oneTo(200).map((n) => [n, String(n)]),
  )
  await sendMark(o, id)
  expect(await received).toEqual(oneTo(200))
})

it('the same clientMessageId ten times at once over two gateways and HTTP: stored once, with equal answers', async () => {
  const [owner, member] = [user('Owner'), user('Member')]
  const { id: conversationId } = await group(cluster, owner, [member])
  const [first, second, other] = await Promise.all([
    cluster.socket(owner, { gateway: 0, transports: ['websocket'] }),
    cluster.socket(owner, { gateway: 1, transports: ['websocket'] }),
    cluster.socket(member, { gateway: 1, transports: ['websocket'] }),
  ])
  for (let round = 1; round <= 10; round++) {
    const heard: string[] = []
    const listen = ({ id }: Message) => heard.push(id)
    other.on('newMessage', listen)
    const body = { content: `Round ${round}`, clientMessageId: `once-${round}` }
    const answers = await Promise.all([
      ...oneTo(4).flatMap(() =>
        [first, second].map((socket) => emit<Message>(socket, 'sendMessage', { conversationId, ...body })),
      ),
      ...oneTo(2).map(async () => (await cluster.api(owner).post<Message>(pathOf(conversationId), body)).body),
    ])
    const messages = answers.map(dataOf)
    expect(messages).toEqual(messages.map(() => messages[0]))
    // The mark arrives after everything published in this round.
    const mark = next(other, 'newMessage', ({ content }) => content === `After ${round}`)
    await emit(second, 'sendMessage', { conversationId, content: `After ${round}` })
    const { id } = await mark
    other.off('newMessage', listen)
    expect(heard).toEqual([messages[0]?.id, id])
  }
  const { body } = await cluster.api(owner).get(`${pathOf(conversationId)}?limit=1`)
  expect(body).toMatchObject({ meta: { total: 20 } })
})

it('the same clientMessageId from two people, or in two conversations, means different messages', async () => {
  const [owner, member] = [user('Owner'), user('Member')]
  const [one, two] = await Promise.all([group(cluster, owner, [member]), group(cluster, owner, [member])])
  const body = { content: 'Hello', clientMessageId: '1' }
  const sent = await Promise.all([
    cluster.api(owner).post<Message>(pathOf(one.id), body),
    cluster.api(member).post<Message>(pathOf(one.id), body),
    cluster.api(owner).post<Message>(pathOf(two.id), body),
  ])
  expect(new Set(sent.map((answer) => dataOf(answer).id)).size).toBe(3)
  const { id: messageId } = dataOf(sent[0])
  dataOf(await cluster.api(member).post(`/api/messages/conversations/${one.id}/read`, { messageId }))
  const again = await cluster.api(owner).post<Message>(pathOf(one.id), { ...body, content: 'Another text' })
  // With its current read marks.
  expect(dataOf(again)).toMatchObject({ id: messageId, content: 'Hello', readBy: [owner.id, member.id] })
})
