import { once } from 'node:events'
import { type ClientEventName, type Conversation, clientEvents, type Message } from '@parley/protocol'
import {
  type Cluster,
  dataOf,
  direct,
  disconnected,
  emit,
  errorOf,
  group,
  next,
  reconnected,
  startCluster,
  user,
} from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

/*
 * Whatever a client sends gets a clear error with a code, and ends neither the connection nor the process.
 */

/** This text must not appear anywhere but in the messages themselves, above all not in logs. */
const SECRET = `secret-${crypto.randomUUID()}`
const [ahmed, fatima, stranger] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Stranger')]
let cluster: Cluster
let conversation: Conversation
let message: Message
let socket: Socket
let pids: number[]

beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
  pids = cluster.gateways.map(({ pid }) => pid)
  conversation = await direct(cluster, ahmed, fatima)
  await cluster.register(stranger)
  socket = await cluster.socket(ahmed, { gateway: 0, transports: ['websocket'] })
  const first = { conversationId: conversation.id, content: SECRET }
  message = dataOf(await emit<Message>(socket, 'sendMessage', first))
})
afterAll(() => cluster?.[Symbol.asyncDispose]())
afterEach(() => {
  expect(cluster.gateways.map(({ pid, running }) => running && pid)).toEqual(pids)
})

const send = (fields: object) => ({ conversationId: conversation.id, content: `${SECRET} bad`, ...fields })
const keyed = (key: string) =>
  JSON.parse(`{"${key}": {"conversationId": "${conversation.id}", "admin": true}}`) as object

const INVALID: [string, ClientEventName, unknown][] = [
  ['no payload', 'sendMessage', undefined],
  ['null', 'sendMessage', null],
  ['a string', 'sendMessage', 'hello'],
  ['a number', 'sendMessage', 1],
  ['a list', 'sendMessage', [{}]],
  ['bytes', 'sendMessage', Buffer.from('hello')],
  ['an empty object', 'sendMessage', {}],
  ['no conversation', 'sendMessage', { content: 'hello' }],
  ['a conversation that is no id', 'sendMessage', () => send({ conversationId: 'conversation-uuid' })],
  ['a conversation that is a number', 'sendMessage', () => send({ conversationId: 1 })],
  ['a conversation that is an object', 'sendMessage', () => send({ conversationId: { $ne: null } })],
  ['SQL for an id', 'sendMessage', () => send({ conversationId: "' or 1=1; drop table messages; --" })],
  ['no content', 'sendMessage', { conversationId: '00000000-0000-0000-0000-000000000000' }],
  ['content that is a number', 'sendMessage', () => send({ content: 1 })],
  ['content that is an object', 'sendMessage', () => send({ content: { text: 'x' } })],
  ['empty content', 'sendMessage', () => send({ content: '' })],
  ['blank content', 'sendMessage', () => send({ content: ' \n\t\u3000' })],
  ['content of 10,001 characters', 'sendMessage', () => send({ content: 'x'.repeat(10_001) })],
  ['content of 5,001 emoji', 'sendMessage', () => send({ content: '👋'.repeat(5_001) })],
  ['content of 1 MB', 'sendMessage', () => send({ content: 'x'.repeat(1_048_576) })],
  ['NUL in the content', 'sendMessage', () => send({ content: 'a\0b' })],
  ['a lone high surrogate', 'sendMessage', () => send({ content: 'a\ud800b' })],
  ['a lone low surrogate', 'sendMessage', () => send({ content: '\udc00' })],
  ['a type there is not', 'sendMessage', () => send({ type: 'text' })],
  ['the server’s own type', 'sendMessage', () => send({ type: 'SYSTEM' })],
  ['a type that is a list', 'sendMessage', () => send({ type: ['TEXT'] })],
  ['attachments that are none', 'sendMessage', () => send({ attachments: 'none' })],
  ['a clientMessageId that is a number', 'sendMessage', () => send({ clientMessageId: 1 })],
  ['an empty clientMessageId', 'sendMessage', () => send({ clientMessageId: '' })],
  ['a clientMessageId of 129 characters', 'sendMessage', () => send({ clientMessageId: 'x'.repeat(129) })],
  ['NUL in the clientMessageId', 'sendMessage', () => send({ clientMessageId: 'a\0' })],
  ['everything under __proto__', 'sendMessage', () => keyed('__proto__')],
  ['everything under constructor', 'sendMessage', () => keyed('constructor')],
  ['no payload', 'typing', undefined],
  ['no id', 'typing', { conversationId: 'x' }],
  ['no payload', 'stopTyping', undefined],
  ['a list', 'stopTyping', []],
  ['no payload', 'markAsRead', undefined],
  ['no message', 'markAsRead', { conversationId: '00000000-0000-0000-0000-000000000000' }],
  ['a message that is no id', 'markAsRead', { conversationId: '00000000-0000-0000-0000-000000000000', messageId: 'x' }],
]

describe('invalid payloads', () => {
  it.each(INVALID)('%s: %s', async (_what, event, payload) => {
    const error = errorOf(await emit(socket, event, typeof payload === 'function' ? payload() : payload))
    expect(error.code).toBe('VALIDATION_FAILED')
    expect(error.details).toEqual(expect.arrayContaining([{ path: expect.any(String), message: expect.any(String) }]))
    expect(JSON.stringify(error)).not.toContain(SECRET)
    expect(socket.connected).toBe(true)
  })

  it('none of this was stored', async () => {
    const page = await cluster.api(ahmed).get<Message[]>(`/api/messages/conversations/${conversation.id}/messages`)
    expect(dataOf(page)).toEqual([message])
    expect(({} as Record<string, unknown>).admin).toBeUndefined()
  })
})

describe('unusual but allowed input', () => {
  it.each([
    ['SQL', `'; drop table messages; -- ${SECRET}`],
    ['markup', '<script>alert(1)</script>'],
    ['10,000 characters', 'ü'.repeat(10_000)],
    ['surrogate pairs, right to left, joiners', '👩‍👩‍👧 \u202eabc\u202c ﷽'],
    ['control characters', '\u0001\u001b[31m\u007f'],
    ['JSON and printf', '{"$ne":1} %s %n $x \\u0000'],
  ])('%s as content comes back unchanged', async (_what, content) => {
    const stored = dataOf(await emit<Message>(socket, 'sendMessage', send({ content })))
    expect(stored.content).toBe(content)
    const page = await cluster
      .api(fatima)
      .get<Message[]>(`/api/messages/conversations/${conversation.id}/messages?limit=1`)
    expect(dataOf(page)).toEqual([stored])
  })

  it('unknown fields and extra arguments are ignored', async () => {
    const payload = {
      ...send({ content: 'With more' }),
      ...keyed('__proto__'),
      seq: 99,
      senderId: fatima.id,
      id: message.id,
    }
    const ack = await socket.timeout(5_000).emitWithAck('sendMessage', payload, 'more', { and: 'more' })
    expect(ack).toMatchObject({ success: true, data: { content: 'With more', senderId: ahmed.id } })
    expect(ack.data.id).not.toBe(message.id)
    expect(ack.data.seq).toBeLessThan(99)
  })
})

describe('unknown events', () => {
  it.each(['unknown', 'newMessage', 'sendmessage', '__proto__', 'constructor', 'toString', 'hasOwnProperty', ''])(
    '%j',
    async (event) => {
      expect(errorOf(await emit(socket, event, { conversationId: conversation.id })).code).toBe('UNKNOWN_EVENT')
      const exception = next(socket, 'exception')
      socket.emit(event)
      expect(await exception).toMatchObject({ event, success: false, error: { code: 'UNKNOWN_EVENT' } })
    },
  )

  it('a name of 100,000 characters is not echoed', async () => {
    const exception = next(socket, 'exception')
    socket.emit('x'.repeat(100_000))
    expect(JSON.stringify(await exception).length).toBeLessThan(1_000)
  })

  it('an event that a client makes up is not relayed to others', async () => {
    const f = await cluster.socket(fatima, { gateway: 1, transports: ['websocket'] })
    const heard: string[] = []
    f.onAny((event: string) => heard.push(event))
    for (const event of ['newMessage', 'userTyping', 'messageRead', 'conversationCreated'])
      socket.emit(event, { ...message })
    const mark = next(f, 'newMessage')
    await emit(socket, 'sendMessage', send({ content: 'a mark' }))
    await mark
    expect(heard).toEqual(['newMessage'])
    f.disconnect()
  })
})

describe('somebody who is not in the conversation', () => {
  /** A payload for each event that names a conversation; null for the others. */
  const payloads: Record<ClientEventName, object | null> = {
    sendMessage: { content: 'Let me in' },
    typing: {},
    stopTyping: {},
    markAsRead: { messageId: '00000000-0000-0000-0000-000000000000' },
    getOnlineUsers: null,
    setVisibility: null,
    // Answers that each conversation is gone; sync.test.ts checks that.
    sync: null,
    renewToken: null,
  }

  it.each(Object.keys(clientEvents) as ClientEventName[])(
    '%s answers that there is no such conversation',
    async (event) => {
      expect(payloads, `${event} is missing in the table`).toHaveProperty(event)
      const fields = payloads[event]
      if (fields === null) return
      const other = await cluster.socket(stranger, { gateway: 1, transports: ['websocket'] })
      const fromStranger = errorOf(await emit(other, event, { conversationId: conversation.id, ...fields }))
      const fromNowhere = errorOf(await emit(other, event, { conversationId: crypto.randomUUID(), ...fields }))
      expect(fromStranger.code).toBe('CONVERSATION_NOT_FOUND')
      // The answer does not reveal whether the conversation exists.
      expect(fromNowhere).toEqual(fromStranger)
      const withMessage = errorOf(
        await emit(other, event, { conversationId: conversation.id, ...fields, messageId: message.id }),
      )
      expect(withMessage).toEqual(fromStranger)
      other.disconnect()
    },
  )

  it('a message of another conversation cannot be marked as read here', async () => {
    const { id: conversationId } = await group(cluster, ahmed, [stranger])
    const error = errorOf(await emit(socket, 'markAsRead', { conversationId, messageId: message.id }))
    expect(error.code).toBe('MESSAGE_NOT_FOUND')
  })
})

describe('packets that are not valid Socket.IO', () => {
  /** Opens a raw WebSocket and connects it to the namespace. */
  async function raw(): Promise<WebSocket> {
    const url = cluster.gateways[0]?.url.replace('http', 'ws')
    const ws = new WebSocket(`${url}/socket.io/?EIO=4&transport=websocket`)
    await once(ws, 'message')
    ws.send(`40${JSON.stringify({ token: cluster.token(ahmed) })}`)
    await once(ws, 'message')
    return ws
  }

  it.each([
    ['JSON cut short', '42["sendMessage",{'],
    ['no JSON', '42hello'],
    ['an event that is an object', '42{}'],
    ['an event without a name', '42[]'],
    ['a reserved name', '42["disconnecting"]'],
    ['a name that is null', '42[null]'],
    ['a packet of no type', '49["sendMessage"]'],
    ['an error packet', '44{"message":"x"}'],
    ['attachments that never come', '451-["sendMessage",{"_placeholder":true,"num":0}]1'],
    ['a placeholder past the end', '451-["sendMessage",{"_placeholder":true,"num":9}]'],
    ['more attachments than there can be', '4599999999-["sendMessage"]'],
    ['a payload nested 50,000 deep', `42["sendMessage",${'['.repeat(5e4)}${']'.repeat(5e4)}]`],
    ['the same with an attachment', `451-["sendMessage",${'['.repeat(5e4)}${']'.repeat(5e4)}]`],
    ['another namespace', '40/admin,{}'],
    ['a second connect', '40{"token":"x"}'],
    ['an Engine.IO packet of no type', '9hello'],
  ])('%s closes its sender’s connection at most', async (_what, packet) => {
    const ws = await raw()
    ws.send(packet)
    ws.send(new Uint8Array([1, 2, 3]))
    // The process has read it once it answers what was sent later on another connection.
    expect(await emit(socket, 'getOnlineUsers')).toMatchObject({ success: true })
    ws.close()
  })

  it('an event whose name is a number is answered like any unknown event', async () => {
    const ws = await raw()
    const answered = once(ws, 'message') as Promise<[MessageEvent]>
    ws.send('42[1]')
    const [{ data }] = await answered
    expect(data).toContain('UNKNOWN_EVENT')
    ws.close()
  })

  it('a packet of 3 MB closes its connection; the client reconnects on its own', async () => {
    const f = await cluster.socket(fatima, { gateway: 0, transports: ['websocket'] })
    const gone = disconnected(f)
    f.emit('sendMessage', send({ content: 'x'.repeat(3 * 1_048_576) }))
    expect(await gone).toBe('transport close')
    await reconnected(f)
    expect(await emit(f, 'getOnlineUsers')).toMatchObject({ success: true })
    f.disconnect()
  })
})

it('after all this the first connection still works, and the logs contain no content, token or secret', async () => {
  expect(socket.connected).toBe(true)
  expect(await emit(socket, 'sendMessage', send({ content: 'Still here' }))).toMatchObject({ success: true })
  const logs = cluster.logs()
  expect(logs).toContain('is ready')
  for (const hidden of [SECRET, cluster.jwtSecret, cluster.token(ahmed).split('.')[1] ?? '', 'Still here']) {
    expect(logs).not.toContain(hidden)
  }
  // A client's mistakes are not logged as errors.
  expect(logs).not.toMatch(/"level":(50|60)/)
})
