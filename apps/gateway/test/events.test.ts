import type { Conversation, Message, User } from '@parley/protocol'
import { type Cluster, collect, dataOf, direct, emit, errorOf, group, next, startCluster, user } from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, it } from 'vitest'

/*
 * Every event of the protocol between two gateways: its exact payload, its ack, its failure. Presence and membership have
 * their own files.
 */

const INSTANT = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
const UUID = expect.stringMatching(/^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/)

const [ahmed, fatima, omar] = [user('Ahmed Hassan', 'https://example.com/a.jpg'), user('Fatima Rahman'), user('Omar')]
const stranger = user('Nobody Here')
let cluster: Cluster
let team: Conversation
/** Connects Ahmed to the first gateway; Ahmed's other device, Fatima and Omar to the second. */
let a: Socket
let a2: Socket
let f: Socket
let o: Socket

beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
  team = await group(cluster, ahmed, [fatima, omar], 'Team')
  const open = (who: User, gateway: number) => cluster.socket(who, { gateway, transports: ['websocket'] })
  ;[a, a2, f, o] = await Promise.all([open(ahmed, 0), open(ahmed, 1), open(fatima, 1), open(omar, 1)])
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Less than the six seconds after which typing expires. */
const BEFORE_IT_ENDS = { timeoutMs: 5_000 }

/** Returns the events that the socket receives because of `work`. */
async function heardBy(socket: Socket, work: () => Promise<unknown>): Promise<string[]> {
  await markedBy(socket)
  const heard: string[] = []
  const listen = (event: string) => heard.push(event)
  socket.onAny(listen)
  await work()
  await markedBy(socket)
  socket.offAny(listen)
  return heard.slice(0, -1)
}

/** Sends a message and waits for it: everything sent earlier has arrived by then. */
async function markedBy(socket: Socket): Promise<void> {
  const clientMessageId = crypto.randomUUID()
  const mark = next(socket, 'newMessage', (message) => message.clientMessageId === clientMessageId)
  await emit(a, 'sendMessage', { conversationId: team.id, content: 'a mark', clientMessageId })
  await mark
}

it('sendMessage: newMessage to every device of every member, the same as the ack', async () => {
  const received = Promise.all([a, a2, f, o].map((socket) => next(socket, 'newMessage')))
  const ack = await emit<Message>(a, 'sendMessage', {
    conversationId: team.id.toUpperCase(),
    content: '  Hello!\n مرحبا 👋 ',
    type: 'TEXT',
    attachments: [],
    clientMessageId: 'mine-1',
  })
  expect(ack).toEqual({
    success: true,
    data: {
      id: UUID,
      conversationId: team.id,
      seq: 1,
      rev: 2,
      senderId: ahmed.id,
      sender: ahmed,
      content: '  Hello!\n مرحبا 👋 ',
      type: 'TEXT',
      attachments: [],
      readBy: [ahmed.id],
      clientMessageId: 'mine-1',
      system: null,
      createdAt: INSTANT,
      updatedAt: INSTANT,
    },
  })
  const message = dataOf(ack)
  expect(await received).toEqual([message, message, message, message])
  const page = await cluster.api(omar).get(`/api/messages/conversations/${team.id}/messages`)
  expect(dataOf(page)).toEqual([message])
})

it('sendMessage: with the name that a service has since given the person, on every gateway', async () => {
  const [who, other] = [user('Omar'), user('Lena')]
  const { id: conversationId } = await direct(cluster, who, other)
  const sockets = await Promise.all([0, 1].map((gateway) => cluster.socket(who, { gateway })))
  dataOf(await cluster.service().put(`/api/users/${who.id}`, { fullName: 'Omar Khan' }))
  const nameOn = async (socket: Socket) =>
    dataOf(await emit<Message>(socket, 'sendMessage', { conversationId, content: 'Hello' })).sender.fullName
  for (const socket of sockets) await expect.poll(() => nameOn(socket)).toBe('Omar Khan')
})

it('a message posted over HTTP reaches every socket, too', async () => {
  const received = Promise.all([a, a2, f, o].map((socket) => next(socket, 'newMessage')))
  const path = `/api/messages/conversations/${team.id}/messages`
  const posted = await cluster.api(fatima).post<Message>(path, { content: 'By post' })
  expect(posted.status).toBe(201)
  const message = dataOf(posted)
  expect(message).toMatchObject({
    type: 'TEXT',
    senderId: fatima.id,
    readBy: [fatima.id],
    clientMessageId: message.id,
  })
  expect(await received).toEqual([message, message, message, message])
})

it('typing and stopTyping: the others are told who and where; the person’s own devices are not', async () => {
  const payload = { conversationId: team.id, userId: ahmed.id, userName: 'Ahmed Hassan' }
  const own = await heardBy(a2, async () => {
    const typing = Promise.all([next(f, 'userTyping'), next(o, 'userTyping')])
    expect(await emit(a, 'typing', { conversationId: team.id })).toEqual({ success: true, data: null })
    expect(await typing).toEqual([payload, payload])
    const stopped = Promise.all([next(f, 'userStoppedTyping'), next(o, 'userStoppedTyping')])
    expect(await emit(a, 'stopTyping', { conversationId: team.id })).toEqual({ success: true, data: null })
    expect(await stopped).toEqual([payload, payload])
  })
  expect(own).toEqual([])
})

it('continuous typing is announced once, stopTyping without typing not at all', async () => {
  const heard = await heardBy(f, async () => {
    for (let i = 0; i < 20; i++) await emit(a, 'typing', { conversationId: team.id })
    for (let i = 0; i < 3; i++) await emit(a, 'stopTyping', { conversationId: team.id })
  })
  expect(heard).toEqual(['userTyping', 'userStoppedTyping'])
})

it('sending the message ends the typing', async () => {
  const ended = next(f, 'userStoppedTyping', undefined, BEFORE_IT_ENDS)
  await emit(a, 'typing', { conversationId: team.id })
  await emit(a, 'sendMessage', { conversationId: team.id, content: 'There.' })
  expect(await ended).toMatchObject({ userId: ahmed.id })
})

it('typing ends when the socket disconnects', async () => {
  const device = await cluster.socket(omar, { gateway: 0, transports: ['websocket'] })
  const started = next(f, 'userTyping')
  await emit(device, 'typing', { conversationId: team.id })
  await started
  const ended = next(f, 'userStoppedTyping', undefined, BEFORE_IT_ENDS)
  device.disconnect()
  expect(await ended).toEqual({ conversationId: team.id, userId: omar.id, userName: 'Omar' })
})

it('typing expires 6 s after the last `typing` event', async () => {
  const quiet = next(f, 'userStoppedTyping')
  const asked = performance.now()
  await emit(a, 'typing', { conversationId: team.id })
  const acked = performance.now()
  expect(await quiet).toEqual({ conversationId: team.id, userId: ahmed.id, userName: 'Ahmed Hassan' })
  // The six seconds started between these two moments.
  expect(performance.now() - asked).toBeGreaterThan(5_500)
  expect(performance.now() - acked).toBeLessThan(8_000)
})

it('a polling client is told of everybody who types, however many at once', async () => {
  const people = Array.from({ length: 8 }, (_, i) => user(`Typist ${i}`))
  const crowd = await group(cluster, omar, [...people, stranger])
  const poller = await cluster.socket(stranger, { gateway: 1, transports: ['polling'] })
  const devices = await Promise.all(people.map((who) => cluster.socket(who, { gateway: 0, transports: ['websocket'] })))
  const told = collect(poller, 'userTyping', people.length)
  for (const device of devices) device.emit('typing', { conversationId: crowd.id })
  expect((await told).map(({ userId }) => userId).sort()).toEqual(people.map(({ id }) => id).sort())
  for (const device of [...devices, poller]) device.disconnect()
})

it('markAsRead: messageRead to everybody, and the marks in history and lists', async () => {
  const { id: conversationId } = await direct(cluster, ahmed, fatima)
  const first = dataOf(await emit<Message>(a, 'sendMessage', { conversationId, content: 'one' }))
  const second = dataOf(await emit<Message>(a, 'sendMessage', { conversationId, content: 'two' }))
  const told = Promise.all([a, a2, f].map((socket) => next(socket, 'messageRead')))
  const ack = await emit(f, 'markAsRead', { conversationId, messageId: second.id })
  const receipt = {
    conversationId,
    messageId: second.id,
    seq: 2,
    rev: 4,
    userId: fatima.id,
    userName: 'Fatima Rahman',
    readAt: INSTANT,
  }
  expect(ack).toEqual({ success: true, data: receipt })
  expect(await told).toEqual([dataOf(ack), dataOf(ack), dataOf(ack)])
  // Marking read messages again changes nothing and is announced to nobody.
  const again = await heardBy(a, async () => {
    expect(dataOf(await emit(f, 'markAsRead', { conversationId, messageId: first.id }))).toMatchObject({ seq: 1 })
    expect(dataOf(await emit(f, 'markAsRead', { conversationId, messageId: second.id }))).toMatchObject({ seq: 2 })
  })
  expect(again).toEqual([])
  const page = dataOf(await cluster.api(ahmed).get<Message[]>(`/api/messages/conversations/${conversationId}/messages`))
  expect(page.map(({ readBy }) => readBy)).toEqual([
    [ahmed.id, fatima.id],
    [ahmed.id, fatima.id],
  ])
})

it('getOnlineUsers: as an event and in the ack, with and without a payload', async () => {
  const event = next(a, 'onlineUsers')
  const ack = await emit<string[]>(a, 'getOnlineUsers')
  expect(new Set(dataOf(ack))).toEqual(new Set([fatima.id, omar.id]))
  expect(await event).toEqual(dataOf(ack))
  expect(await emit(a, 'getOnlineUsers', { anything: 1 })).toEqual(ack)
})

it('conversationCreated: to the creator’s other devices and to every member, as each of them sees it', async () => {
  const told = Promise.all([a, a2, f].map((socket) => next(socket, 'conversationCreated')))
  const body = { type: 'GROUP', name: 'New', participantIds: [fatima.id] }
  const created = await cluster.api(ahmed).post<Conversation>('/api/messages/conversations', body)
  const [own, other, hers] = await told
  const seen = dataOf(created)
  expect(seen).toMatchObject({ name: 'New', participantCount: 2, createdBy: ahmed.id, lastSeq: 0, lastReadSeq: 0 })
  // The others first, the person themself last. For people who are online, lastSeen is the time of the request.
  const withoutTimes = (c: Conversation) => ({
    ...c,
    participants: c.participants.map(({ lastSeen, ...rest }) => rest),
  })
  expect(withoutTimes(own as Conversation)).toEqual(withoutTimes(seen))
  expect(other).toEqual(own)
  expect(hers?.participants.map(({ id }) => id)).toEqual([ahmed.id, fatima.id])
  expect(seen.participants.map(({ id }) => id)).toEqual([fatima.id, ahmed.id])
})

it('conversationUpdated: a new name, with its SYSTEM message, on every device', async () => {
  const message = Promise.all([a, a2, f, o].map((socket) => next(socket, 'newMessage')))
  const told = Promise.all([a, a2, f, o].map((socket) => next(socket, 'conversationUpdated')))
  const renamed = await cluster
    .api(fatima)
    .patch<Conversation>(`/api/messages/conversations/${team.id}`, { name: 'Crew' })
  const { name, rev } = dataOf(renamed)
  expect(name).toBe('Crew')
  const update = { conversationId: team.id, rev, name: 'Crew', added: [], removed: [], participantCount: 3 }
  expect(await told).toEqual([update, update, update, update])
  for (const system of await message) {
    expect(system).toMatchObject({
      type: 'SYSTEM',
      senderId: fatima.id,
      content: 'Fatima Rahman renamed the group to Crew',
      system: { event: 'renamed', name: 'Crew' },
    })
  }
})

it('a failure is in the ack if there is one, and otherwise arrives as an exception', async () => {
  const payload = { conversationId: team.id, content: ' ' }
  const acked = await emit(a, 'sendMessage', payload)
  expect(errorOf(acked)).toMatchObject({ code: 'VALIDATION_FAILED', details: [{ path: 'content' }] })
  const exception = next(a, 'exception')
  a.emit('sendMessage', payload)
  expect(await exception).toEqual({ event: 'sendMessage', ...acked })
})
