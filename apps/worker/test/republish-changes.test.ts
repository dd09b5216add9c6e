import { randomUUID } from 'node:crypto'
import { type Database, openDatabase } from '@parley/db'
import { ConversationNews, ConversationReader, ConversationWriter, type Events } from '@parley/messaging'
import type { Conversation, Message, User } from '@parley/protocol'
import { type Cluster, collect, dataOf, emit, group, next, redisClient, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

/*
 * An api killed between its commit and its publish leaves membership changes that no gateway knows about. The worker announces
 * them. The tests simulate such an api by storing changes without publishing them.
 */

let cluster: Cluster
let db: Database
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
  db = openDatabase({ url: cluster.databaseUrl, max: 2, applicationName: 'test' })
})
afterAll(async () => {
  await db?.close()
  await cluster?.[Symbol.asyncDispose]()
})

/** Changes conversations like an api that dies before publishing. */
function dyingWriter(origin = `${randomUUID()}.0`): ConversationWriter {
  const links = { urlOf: () => '' }
  return new ConversationWriter({
    db,
    reader: new ConversationReader(db, { online: async () => new Set() }, links),
    news: { created: async () => false, changed: async () => false },
    ledger: { cover: (work) => work(origin, 1, () => undefined) },
    links,
  })
}

/** Publishes only to these people. */
function newsTo(events: Partial<Events>, from = db): ConversationNews {
  const taken = async () => true
  return new ConversationNews({
    db: from,
    reader: new ConversationReader(db, { online: async () => new Set() }, { urlOf: () => '' }),
    events: { message: taken, messages: taken, toConversation: taken, join: taken, leave: taken, ...events },
    onError: (error) => expect.fail(String(error)),
  })
}

const outboxRows = async () => (await cluster.sql.query('select origin from outbox')).rows.map(({ origin }) => origin)
const open = (who: User, gateway: number) => cluster.socket(who, { gateway, transports: ['websocket'] })

it('somebody removed by an api that then dies gets nothing more and is told', async () => {
  const [left, gone] = [user('Left'), user('Gone')]
  const member = user('Member')
  const conversation = await group(cluster, left, [gone, member])
  const [l, m, ...devices] = await Promise.all([open(left, 0), open(member, 1), open(gone, 0), open(gone, 1)])
  const heard: string[] = []
  for (const socket of devices) socket.on('newMessage', ({ content }: Message) => heard.push(content))
  const told = devices.map((socket) => next(socket, 'conversationUpdated'))
  const system = next(m, 'newMessage', ({ type }) => type === 'SYSTEM')
  await dyingWriter().remove(left, conversation.id, gone.id)
  const update = { conversationId: conversation.id, removed: [gone.id], participantCount: 2 }
  for (const event of await Promise.all(told)) expect(event).toMatchObject(update)
  expect(await system).toMatchObject({ system: { event: 'participantRemoved', userIds: [gone.id] } })
  const last = next(m, 'newMessage', ({ content }) => content === 'not for you')
  await emit(l, 'sendMessage', { conversationId: conversation.id, content: 'not for you' })
  await last
  await expect.poll(outboxRows).toEqual([])
  // A later message to one of them has arrived, so anything before it would have, too.
  for (const socket of devices) expect((await emit(socket, 'sync', { conversations: {} })).success).toBe(true)
  expect(heard).toEqual([])
})

it('somebody added by an api that then dies is in, and gets the messages since', async () => {
  const [inviter, late] = [user('Inviter'), user('Late')]
  const conversation = await group(cluster, inviter, [user('Member')])
  await cluster.register(late)
  const [i, ...devices] = await Promise.all([open(inviter, 0), open(late, 0), open(late, 1)])
  const created = devices.map((socket) => next(socket, 'conversationCreated'))
  const heard = devices.map((socket) => collect(socket, 'newMessage', 1))
  await dyingWriter().add(inviter, conversation.id, [late.id])
  await emit(i, 'sendMessage', { conversationId: conversation.id, content: 'welcome' })
  for (const event of await Promise.all(created)) expect(event).toMatchObject({ id: conversation.id, lastReadSeq: 0 })
  for (const [message] of await Promise.all(heard)) expect(message).toMatchObject({ seq: 2, content: 'welcome' })
})

it('a conversation created by an api that then died reaches all of its members', async () => {
  const [creator, other] = [user('Creator'), user('Other')]
  await cluster.register(creator, other)
  const [c, o] = await Promise.all([open(creator, 0), open(other, 1)])
  const created = [c, o].map((socket) => next(socket, 'conversationCreated'))
  const { conversation } = await dyingWriter().create(creator, { type: 'DIRECT', participantIds: [other.id] })
  for (const event of await Promise.all(created)) expect(event).toMatchObject({ id: conversation.id, lastSeq: 0 })
  const heard = next(o, 'newMessage')
  await emit(c, 'sendMessage', { conversationId: conversation.id, content: 'hello' })
  expect(await heard).toMatchObject({ seq: 1, content: 'hello' })
})

it('a change that has since been undone is not repeated', async () => {
  const [host, back] = [user('Host'), user('Back')]
  const conversation = await group(cluster, host, [back])
  const b = await open(back, 1)
  // Stored, but not published yet.
  const redis = await redisClient(cluster.redisUrl)
  const origin = `${randomUUID()}.0`
  await redis.set(`parley:published:${origin}`, 0, 'PX', 30_000)
  await redis.sadd('parley:publishers', origin)
  const slow = dyingWriter(origin)
  await slow.remove(host, conversation.id, back.id)
  const again = next(b, 'conversationCreated')
  const path = `/api/messages/conversations/${conversation.id}/participants`
  await cluster.api(host).post(path, { userIds: [back.id] })
  await again
  await redis.del(`parley:published:${origin}`)
  await expect.poll(outboxRows).toEqual([])
  const heard = next(b, 'newMessage', ({ type }) => type === 'TEXT')
  await emit(await open(host, 0), 'sendMessage', { conversationId: conversation.id, content: 'still here?' })
  expect(await heard).toMatchObject({ content: 'still here?' })
  redis.disconnect()
})

it('somebody added back while their removal is being announced is not reported as removed afterwards', async () => {
  const [host, back] = [user('Host'), user('Back')]
  const conversation = await group(cluster, host, [back])
  const path = `/api/messages/conversations/${conversation.id}`
  await cluster.api(host).delete(`${path}/participants/${back.id}`)
  const [removal] = dataOf(await cluster.api(host).get<Message[]>(`${path}/messages`))
  if (removal === undefined) throw new Error('nobody was told')
  let rev = 0
  const putBack = async () => {
    rev ||= dataOf(await cluster.api(host).post<Conversation>(`${path}/participants`, { userIds: [back.id] })).rev
  }
  // Anything can happen between two queries.
  const query = async (statement: unknown) => {
    const answer = await Reflect.apply(db.pool.query, db.pool, [statement])
    await putBack()
    return answer
  }
  const pool = new Proxy(db.pool, {
    get: (target, name) => (name === 'query' ? query : Reflect.get(target, name)),
  })
  const gone: number[] = []
  const leave: Events['leave'] = async (_, __, update) => gone.push(update.rev) > 0
  expect(await newsTo({ leave }, { ...db, pool }).changedBefore(removal)).toBe(true)
  expect(rev).toBeGreaterThan(removal.rev)
  expect(gone.filter((told) => told >= rev)).toEqual([])
})

it('a change announced again has its original rev, whatever came after it', async () => {
  const [host, member, gone, late] = [user('Host'), user('Member'), user('Gone'), user('Late')]
  const conversation = await group(cluster, host, [member, gone])
  await cluster.register(late)
  const told = collect(await open(member, 0), 'conversationUpdated', 4)
  const [api, path] = [cluster.api(host), `/api/messages/conversations/${conversation.id}`]
  await api.patch(path, { name: 'Renamed' })
  await api.delete(`${path}/participants/${gone.id}`)
  await api.post(`${path}/participants`, { userIds: [late.id] })
  await cluster.api(late).delete(`${path}/participants/${late.id}`)
  const revs = (await told).map(({ rev }) => rev)
  expect(new Set(revs).size).toBe(4)
  const again: number[] = []
  const toConversation: Events['toConversation'] = async (_, name, payload) =>
    name === 'conversationUpdated' && 'rev' in payload && again.push(payload.rev) > 0
  const news = newsTo({ toConversation })
  for (const message of dataOf(await api.get<Message[]>(`${path}/messages`))) await news.changedBefore(message)
  expect(again).toEqual(revs)
})

it('a deleted conversation does not block other announcements', async () => {
  await cluster.sql.query(
    `insert into outbox (origin, batch, conversation_ids, seqs) values ('dead', 1, array[gen_random_uuid()], array[0])`,
  )
  await expect.poll(outboxRows).toEqual([])
})
