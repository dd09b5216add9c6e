import { randomUUID } from 'node:crypto'
import { appendMessages, type NewMessage } from '@parley/db'
import type { Conversation, Message, User } from '@parley/protocol'
import { type Cluster, collect, dataOf, emit, group, next, redisClient, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'

/*
 * A gateway killed between its commit and its publish leaves messages that nobody has received. The worker publishes them. The
 * tests simulate such a process by storing messages under an origin that is not alive.
 */

const [owner, member] = [user('Owner'), user('Member')]
let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

function draft(conversation: Conversation, sender: User, content: string): NewMessage {
  const id = randomUUID()
  const fixed = { type: 'TEXT' as const, attachments: [], system: null }
  return { id, conversationId: conversation.id, senderId: sender.id, clientMessageId: id, content, ...fixed }
}

const outboxRows = async () => (await cluster.sql.query('select origin from outbox')).rows.map(({ origin }) => origin)
const open = (who: User, gateway: number) => cluster.socket(who, { gateway, transports: ['websocket'] })

it('messages stored by a dead gateway reach everybody once, in order', async () => {
  const conversation = await group(cluster, owner, [member])
  const sockets = await Promise.all([open(owner, 0), open(owner, 1), open(member, 0), open(member, 1)])
  // The last is sent when all else has been published.
  const heard = sockets.map((socket) => collect(socket, 'newMessage', 5))
  const conversationId = conversation.id
  await emit(sockets[0], 'sendMessage', { conversationId, content: 'alive 1' })
  await appendMessages(
    cluster.sql,
    ['dead 2', 'dead 3'].map((content) => draft(conversation, owner, content)),
    `${randomUUID()}.0`,
    1,
  )
  await emit(sockets[3], 'sendMessage', { conversationId, content: 'alive 4' })
  await expect.poll(outboxRows).toEqual([])
  await emit(sockets[3], 'sendMessage', { conversationId, content: 'alive 5' })
  for (const messages of await Promise.all(heard)) {
    expect(messages.map(({ seq }) => seq).sort()).toEqual([1, 2, 3, 4, 5])
    expect(messages.map(({ content }) => content).sort()).toEqual(['alive 1', 'alive 4', 'alive 5', 'dead 2', 'dead 3'])
  }
  const page = await cluster.api(member).get<Message[]>(`/api/messages/conversations/${conversationId}/messages`)
  expect(dataOf(page).map(({ content }) => content)).toEqual(['alive 1', 'dead 2', 'dead 3', 'alive 4', 'alive 5'])
})

it('what is published already is not published again, though its process dies', async () => {
  const conversation = await group(cluster, owner, [member])
  const [o, m] = await Promise.all([open(owner, 0), open(member, 1)])
  const origin = `${randomUUID()}.0`
  const first = next(m, 'newMessage')
  await emit(o, 'sendMessage', { conversationId: conversation.id, content: 'one' })
  await first
  const heard: string[] = []
  m.on('newMessage', ({ content }: Message) => heard.push(content))
  await appendMessages(cluster.sql, [draft(conversation, owner, 'two')], origin, 1)
  await expect.poll(() => heard).toEqual(['two'])
  // The row comes back, as if the worker had died before it could delete it.
  await cluster.sql.query('insert into outbox (origin, batch, conversation_ids, seqs) values ($1, 1, $2, $3)', [
    origin,
    [conversation.id],
    [2],
  ])
  await expect.poll(outboxRows).toEqual([])
  const last = next(m, 'newMessage')
  await emit(o, 'sendMessage', { conversationId: conversation.id, content: 'three' })
  await last
  expect(heard).toEqual(['two', 'three'])
})

it('what a living process is about to publish is left to it', async () => {
  const conversation = await group(cluster, owner, [member])
  const [o, m] = await Promise.all([open(owner, 0), open(member, 1)])
  const redis = await redisClient(cluster.redisUrl)
  const origin = `${randomUUID()}.0`
  // Alive, and has published nothing yet: as between its commit and its publish.
  await redis.set(`parley:published:${origin}`, 0, 'PX', 30_000)
  await redis.sadd('parley:publishers', origin)
  // A round of the worker that began before does not know of it: one that works on what was published after that does.
  const before = next(m, 'newMessage')
  await emit(o, 'sendMessage', { conversationId: conversation.id, content: 'before' })
  await before
  await expect.poll(outboxRows).toEqual([])
  const heard: string[] = []
  m.on('newMessage', ({ content }: Message) => heard.push(content))
  await appendMessages(cluster.sql, [draft(conversation, owner, 'on its way')], origin, 1)
  // A round that has worked on what was stored after it has passed it by. (In its own conversation that would be missed.)
  const other = await group(cluster, owner, [member])
  const after = next(m, 'newMessage')
  await emit(o, 'sendMessage', { conversationId: other.id, content: 'after' })
  await after
  await expect.poll(outboxRows).toEqual([origin])
  // Whatever was published in the room came before this.
  const typing = next(m, 'userTyping')
  await emit(o, 'typing', { conversationId: conversation.id })
  await typing
  expect(heard).toEqual(['after'])
  const published = next(m, 'newMessage')
  // Its lease ends: it died before it could.
  await redis.del(`parley:published:${origin}`)
  expect(await published).toMatchObject({ content: 'on its way', seq: 2, readBy: [owner.id] })
  redis.disconnect()
})

it('a gateway killed in the middle of a flood: every message that is stored reaches the other gateway', async () => {
  const conversation = await group(cluster, owner, [member])
  const [o, m] = await Promise.all([open(owner, 0), open(member, 1)])
  const heard = new Set<number>()
  m.on('newMessage', ({ seq }: Message) => heard.add(seq))
  for (let n = 0; n < 300; n++) o.emit('sendMessage', { conversationId: conversation.id, content: `${n}` })
  await next(m, 'newMessage')
  await cluster.gateways[0]?.kill('SIGKILL')
  const { rows } = await cluster.sql.query('select seq from messages where conversation_id = $1 order by seq', [
    conversation.id,
  ])
  const stored = rows.map(({ seq }) => Number(seq))
  expect(stored.length).toBeGreaterThan(0)
  expect(stored).toEqual(stored.map((_, index) => index + 1))
  // Its lease is fifteen seconds long. What it published itself is known to be so only when that has ended.
  await expect.poll(() => stored.filter((seq) => !heard.has(seq)), { timeout: 40_000 }).toEqual([])
  await expect.poll(outboxRows, { timeout: 40_000 }).toEqual([])
})
