import { Bus, Publisher } from '@parley/fanout'
import type { Conversation, Message, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, errorOf, group, next, startCluster, user } from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, it } from 'vitest'

const CONVERSATIONS = '/api/messages/conversations'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const open = (who: User, gateway: number) => cluster.socket(who, { gateway, transports: ['websocket'] })
const send = (socket: Socket, conversationId: string, content: string) =>
  emit<Message>(socket, 'sendMessage', { conversationId, content })
const add = (actor: User, id: string, ...people: User[]) =>
  cluster.api(actor).post<Conversation>(`${CONVERSATIONS}/${id}/participants`, { userIds: people.map((who) => who.id) })
const remove = (actor: User, id: string, who: User) =>
  cluster.api(actor).delete(`${CONVERSATIONS}/${id}/participants/${who.id}`)

/** Collects the messages of one conversation that a socket receives. */
function messagesOf(socket: Socket, conversationId: string): Message[] {
  const heard: Message[] = []
  socket.on('newMessage', (message: Message) => {
    if (message.conversationId === conversationId) heard.push(message)
  })
  return heard
}

/** Resolves when everything published to this person's sockets so far has arrived on all of them. */
async function settled(who: User, sockets: Socket[]): Promise<void> {
  const friend = user('A friend')
  const { id } = await direct(cluster, friend, who)
  const marks = sockets.map((socket) => next(socket, 'newMessage', ({ conversationId }) => conversationId === id))
  await send(await open(friend, 0), id, 'a mark')
  await Promise.all(marks)
}

it('a person who is added receives messages at once, on all open sockets of both gateways', async () => {
  const [owner, member, late] = [user('Owner'), user('Member'), user('Late')]
  const { id } = await group(cluster, owner, [member], 'Club')
  await cluster.register(late)
  const o = await open(owner, 0)
  const devices = await Promise.all([open(late, 0), open(late, 1), open(late, 1)])
  await send(o, id, 'before')
  const created = Promise.all(devices.map((socket) => next(socket, 'conversationCreated')))
  const told = Promise.all(devices.map((socket) => next(socket, 'newMessage')))
  const updated = next(o, 'conversationUpdated')
  expect(dataOf(await add(owner, id, late, late, member))).toMatchObject({ participantCount: 3 })
  await send(o, id, 'after')
  for (const conversation of await created) {
    // It includes the SYSTEM message about it, their first unread message; `newMessage` continues from there.
    expect(conversation).toMatchObject({ id, name: 'Club', lastSeq: 2, lastReadSeq: 1, unreadCount: 1 })
    expect(conversation.lastMessage).toMatchObject({ seq: 2, type: 'SYSTEM', content: 'Owner added Late' })
    expect(conversation.participants.at(-1)).toMatchObject({ id: late.id, role: 'MEMBER' })
  }
  for (const message of await told) expect(message).toMatchObject({ seq: 3, content: 'after' })
  expect(await updated).toMatchObject({ conversationId: id, added: [late.id], removed: [], participantCount: 3 })
  // Adding a current member changes nothing.
  const before = dataOf(await cluster.api(owner).get<Conversation>(`${CONVERSATIONS}/${id}`)).rev
  expect(dataOf(await add(member, id, late))).toMatchObject({ rev: before })
})

it('a removed person receives nothing more, on either gateway, and can do nothing', async () => {
  const [owner, member, gone] = [user('Owner'), user('Member'), user('Gone')]
  const { id } = await group(cluster, owner, [member, gone])
  const [o, m] = await Promise.all([open(owner, 0), open(member, 1)])
  const devices = await Promise.all([open(gone, 0), open(gone, 1)])
  const received = Promise.all(devices.map((socket) => next(socket, 'newMessage')))
  const stored = dataOf(await send(o, id, 'while you are here'))
  await received
  const heard = devices.map((socket) => messagesOf(socket, id))
  const updated = Promise.all(devices.map((socket) => next(socket, 'conversationUpdated')))
  const message = next(m, 'newMessage', ({ type }) => type === 'SYSTEM')
  expect(await remove(owner, id, gone)).toMatchObject({ status: 200, body: { success: true } })
  expect(await message).toMatchObject({ content: 'Owner removed Gone', system: { event: 'participantRemoved' } })
  const [first, second] = await updated
  expect(first).toMatchObject({ conversationId: id, removed: [gone.id], participantCount: 2 })
  expect(second).toEqual(first)

  const typing: unknown[] = []
  for (const socket of devices) socket.on('userTyping', (payload) => typing.push(payload))
  await emit(m, 'typing', { conversationId: id })
  await send(o, id, 'not for you')
  await settled(gone, devices)
  expect(heard).toEqual([[], []])
  expect(typing).toEqual([])

  for (const socket of devices) {
    for (const [event, payload] of [
      ['sendMessage', { content: 'still here' }],
      ['typing', {}],
      ['stopTyping', {}],
      ['markAsRead', { messageId: stored.id }],
    ] as const) {
      const ack = await emit(socket, event, { conversationId: id, ...payload })
      expect(errorOf(ack).code, event).toBe('CONVERSATION_NOT_FOUND')
    }
  }
  expect(await cluster.api(gone).get(`${CONVERSATIONS}/${id}/messages`)).toMatchObject({ status: 404 })
  expect(dataOf(await cluster.api(gone).get<Conversation[]>(CONVERSATIONS)).some((c) => c.id === id)).toBe(false)
})

it('a message sent after a removal is answered never overtakes it, not even in a silent room', async () => {
  const [owner, gone] = [user('Owner'), user('Gone')]
  const [o, ...devices] = await Promise.all([open(owner, 0), open(gone, 1), open(gone, 0)])
  const heard: string[] = []
  for (const socket of devices) socket.on('newMessage', ({ content }: Message) => heard.push(content))
  for (let round = 0; round < 20; round++) {
    const { id } = await group(cluster, owner, [gone])
    expect((await remove(owner, id, gone)).status).toBe(200)
    await send(o, id, 'not for you')
  }
  await settled(gone, devices)
  expect(heard).not.toContain('not for you')
})

it('somebody added and removed again stays out, even if the news arrives in the wrong order', async () => {
  const [owner, gone] = [user('Owner'), user('Gone')]
  const conversation = await group(cluster, owner, [gone])
  const [o, ...devices] = await Promise.all([open(owner, 0), open(gone, 0), open(gone, 1)])
  const heard = devices.map((socket) => messagesOf(socket, conversation.id))
  await remove(owner, conversation.id, gone)
  const bus = new Bus(cluster.redisUrl, 'test')
  await bus.ready(30_000)
  await new Publisher(bus, 'slow api').join(gone.id, 0, conversation)
  await bus.close()
  await send(o, conversation.id, 'not for you')
  await settled(gone, devices)
  expect(heard).toEqual([[], []])
})

it('a person removed and added again sees everything again, with the old messages as read', async () => {
  const [owner, back] = [user('Owner'), user('Back')]
  const { id } = await group(cluster, owner, [back])
  const [o, b] = await Promise.all([open(owner, 0), open(back, 1)])
  await remove(owner, id, back)
  await send(o, id, 'meanwhile')
  const created = next(b, 'conversationCreated')
  const message = next(b, 'newMessage')
  await add(owner, id, back)
  await send(o, id, 'welcome back')
  expect(await created).toMatchObject({ id, lastSeq: 3, unreadCount: 1 })
  expect(await message).toMatchObject({ seq: 4 })
  expect(dataOf(await send(b, id, 'thanks'))).toMatchObject({ seq: 5 })
  const page = dataOf(await cluster.api(back).get<Message[]>(`${CONVERSATIONS}/${id}/messages`))
  expect(page.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
  // Earlier messages count as read, but not as read by them.
  expect(page[1]?.readBy).toEqual([owner.id])
})

it('leaving is announced to the others, and the owner’s role passes to the longest-standing member', async () => {
  const [owner, second, third] = [user('Owner'), user('Second'), user('Third')]
  const { id } = await group(cluster, owner, [second, third])
  const s = await open(second, 1)
  const message = next(s, 'newMessage')
  expect((await remove(owner, id, owner)).status).toBe(200)
  expect(await message).toMatchObject({
    content: 'Owner left',
    system: { event: 'participantLeft', userIds: [owner.id] },
  })
  const { participants } = dataOf(await cluster.api(second).get<Conversation>(`${CONVERSATIONS}/${id}`))
  expect(participants.filter(({ role }) => role === 'OWNER')).toHaveLength(1)
  expect((await remove(owner, id, third)).status).toBe(404)
})

it('a removal during a flood of messages: the same clean cut on every device, and no gap for the others', async () => {
  const [owner, member, gone] = [user('Owner'), user('Member'), user('Gone')]
  const { id } = await group(cluster, owner, [member, gone])
  const senders = await Promise.all([open(owner, 0), open(member, 1), open(owner, 1), open(member, 0)])
  const devices = await Promise.all([open(gone, 0), open(gone, 1)])
  const heard = devices.map((socket) => messagesOf(socket, id))
  const seen = messagesOf(senders[3] as Socket, id)
  let removal: Promise<unknown> | undefined
  const flood = senders.map(async (socket, sender) => {
    for (let i = 0; i < 50; i++) {
      await send(socket, id, `${sender}.${i}`)
      if (sender === 0 && i === 15) removal = remove(owner, id, gone)
    }
  })
  await Promise.all(flood)
  await removal
  await settled(gone, devices)
  const page = await cluster.api(owner).get<Message[]>(`${CONVERSATIONS}/${id}/messages?limit=100`)
  const total = Number(page.body.success && page.body.meta?.total)
  expect(total).toBe(201)
  await expect.poll(() => seen.length).toBe(total)
  expect(seen.map(({ seq }) => seq)).toEqual(Array.from({ length: total }, (_, i) => i + 1))
  const cut = seen.findIndex(({ type }) => type === 'SYSTEM')
  expect(cut).toBeGreaterThan(0)
  for (const messages of heard) {
    const seqs = messages.map(({ seq }) => seq)
    expect(seqs).toEqual(Array.from({ length: seqs.length }, (_, i) => i + 1))
    // Nothing stored after the removal; the last messages before it may have been overtaken by it.
    expect(seqs.length).toBeLessThanOrEqual(cut)
  }
})

it('a person removed and added over and over while everybody sends misses none of their messages', async () => {
  const [owner, restless] = [user('Owner'), user('Restless')]
  const { id } = await group(cluster, owner, [restless])
  const [o0, o1] = await Promise.all([open(owner, 0), open(owner, 1)])
  const devices = await Promise.all([open(restless, 0), open(restless, 1)])
  let ended = false
  const flood = [o0, o1].map(async (socket) => {
    while (!ended) await send(socket, id, 'noise')
  })
  for (let round = 0; round < 5; round++) {
    expect((await remove(owner, id, restless)).status).toBe(200)
    const created = Promise.all(devices.map((socket) => next(socket, 'conversationCreated')))
    expect((await add(owner, id, restless)).status).toBe(200)
    await created
  }
  const heard = devices.map((socket) => messagesOf(socket, id))
  const { seq: from } = dataOf(await send(o0, id, 'from here'))
  const upTo = dataOf(await send(o1, id, 'to here')).seq
  ended = true
  await Promise.all(flood)
  for (const messages of heard) {
    await expect.poll(() => messages.some(({ seq }) => seq === upTo)).toBe(true)
    const theirs = messages.map(({ seq }) => seq).filter((seq) => seq >= from && seq <= upTo)
    expect(theirs).toEqual(Array.from({ length: upTo - from + 1 }, (_, i) => from + i))
  }
})
