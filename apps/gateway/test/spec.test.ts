import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'
import type { Conversation, Message, User } from '@parley/protocol'
import { type Cluster, startCluster, user } from '@parley/testkit'
import { io, type Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'

/*
 * The tests that the specification lists, under its names: plain socket.io-client and fetch at the public address, using only
 * what that page describes.
 */

let cluster: Cluster
const [ahmed, fatima] = [user('Ahmed Hassan', 'https://example.com/ahmed.jpg'), user('Fatima Rahman')]
const sockets: Socket[] = []

beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
  await cluster.register(ahmed, fatima)
})
afterAll(() => cluster?.[Symbol.asyncDispose]())
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.disconnect()
})

interface Body<T> {
  success: boolean
  message?: string
  data: T
  meta: Record<string, unknown>
}

async function request<T>(who: User, method: string, path: string, body?: unknown) {
  const answer = await fetch(`${cluster.url}/api/messages${path}`, {
    method,
    headers: {
      Authorization: `Bearer ${cluster.token(who)}`,
      ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  return { status: answer.status, body: (await answer.json()) as Body<T> }
}

async function conversationOfTwo(): Promise<string> {
  const body = { participantIds: [ahmed.id, fatima.id], type: 'DIRECT' }
  return (await request<Conversation>(ahmed, 'POST', '/conversations', body)).body.data.id
}

async function send(who: User, conversationId: string, content: string): Promise<Message> {
  const path = `/conversations/${conversationId}/messages`
  return (await request<Message>(who, 'POST', path, { content, type: 'TEXT' })).body.data
}

async function history(who: User, conversationId: string): Promise<Message[]> {
  return (await request<Message[]>(who, 'GET', `/conversations/${conversationId}/messages`)).body.data
}

async function unreadCount(who: User, conversationId: string): Promise<number | undefined> {
  const { data } = (await request<Conversation[]>(who, 'GET', '/conversations')).body
  return data.find(({ id }) => id === conversationId)?.unreadCount
}

/** Connects as the page describes. */
async function connect(who: User): Promise<Socket> {
  const socket = io(cluster.url, { auth: { token: cluster.token(who) }, forceNew: true })
  sockets.push(socket)
  await once(socket, 'connect')
  return socket
}

function once<T>(socket: Socket, event: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`no ${event} within 10 s`)), 10_000)
    socket.once(event, (payload: T) => {
      clearTimeout(late)
      resolve(payload)
    })
  })
}

describe('MessagesService', () => {
  it('should create conversation', async () => {
    const sara = user('Sara Ali')
    await cluster.register(sara)
    const body = { participantIds: [sara.id, fatima.id], type: 'DIRECT' }
    const created = await request<Conversation>(sara, 'POST', '/conversations', body)
    expect(created).toMatchObject({
      status: 201,
      body: {
        success: true,
        message: 'Conversation created',
        data: { type: 'DIRECT', lastMessage: null, unreadCount: 0, createdAt: expect.stringMatching(/^\d{4}-.+Z$/) },
      },
    })
    const people = created.body.data.participants.map(({ id, fullName, profilePhoto }) => ({
      id,
      fullName,
      profilePhoto,
    }))
    expect(people).toEqual([fatima, sara])
    const named = { participantIds: [ahmed.id, fatima.id], type: 'GROUP', name: 'Project Discussion' }
    const group = await request<Conversation>(sara, 'POST', '/conversations', named)
    expect(group.body.data).toMatchObject({ type: 'GROUP', name: 'Project Discussion', participantCount: 3 })
    const list = await request<Conversation[]>(sara, 'GET', '/conversations?page=1&limit=20')
    expect(list.body.data.map(({ id }) => id)).toEqual([group.body.data.id, created.body.data.id])
    expect(list.body.meta).toEqual({ page: 1, limit: 20, total: 2, totalPages: 1 })
  })

  it('should send message', async () => {
    const id = await conversationOfTwo()
    const sent = await request<Message>(ahmed, 'POST', `/conversations/${id}/messages`, {
      content: 'Hello! How are you?',
      type: 'TEXT',
    })
    expect(sent).toMatchObject({
      status: 201,
      body: {
        success: true,
        data: {
          conversationId: id,
          senderId: ahmed.id,
          sender: ahmed,
          content: 'Hello! How are you?',
          type: 'TEXT',
          attachments: [],
          readBy: [ahmed.id],
        },
      },
    })
    const page = await request<Message[]>(fatima, 'GET', `/conversations/${id}/messages?page=1&limit=50`)
    expect(page.body.data.at(-1)).toEqual(sent.body.data)
    expect(page.body.meta).toMatchObject({ page: 1, limit: 50, total: sent.body.data.seq, hasMore: false })
  })

  it('should mark message as read', async () => {
    const id = await conversationOfTwo()
    const message = await send(ahmed, id, 'Have you seen it?')
    const read = await request(fatima, 'POST', `/conversations/${id}/read`, { messageId: message.id })
    expect(read).toMatchObject({ status: 200, body: { success: true, data: { messageId: message.id } } })
    expect((await history(ahmed, id)).at(-1)?.readBy).toEqual([ahmed.id, fatima.id])
  })

  it('should get unread count', async () => {
    const id = await conversationOfTwo()
    await send(fatima, id, 'What I write I have read')
    const before = await unreadCount(ahmed, id)
    for (const content of ['one', 'two', 'three']) await send(fatima, id, content)
    expect(await unreadCount(ahmed, id)).toBe((before ?? 0) + 3)
    expect(await unreadCount(fatima, id)).toBe(0)
    const unread = await request<{ total: number }>(ahmed, 'GET', '/unread')
    expect(unread.body.data.total).toBe((before ?? 0) + 3)
    const last = (await history(ahmed, id)).at(-1)
    await request(ahmed, 'POST', `/conversations/${id}/read`, { messageId: last?.id })
    expect(await unreadCount(ahmed, id)).toBe(0)
  })

  it('should search messages', async () => {
    const id = await conversationOfTwo()
    const { createdAt } = await send(ahmed, id, 'Pomegranates, if you please')
    const search = async (who: User) => (await request<Message[]>(who, 'GET', '/search?query=pomegranates')).body
    // The index is updated within a second.
    await expect.poll(async () => (await search(fatima)).data).toHaveLength(1)
    expect(await search(fatima)).toMatchObject({
      success: true,
      data: [
        {
          conversationId: id,
          sender: { fullName: 'Ahmed Hassan' },
          content: 'Pomegranates, if you please',
          createdAt,
          conversation: { type: 'DIRECT', participants: [{ id: ahmed.id }, { id: fatima.id }] },
        },
      ],
      meta: { page: 1, limit: 20, total: 1 },
    })
    const stranger = user('Stranger')
    expect(await search(stranger)).toMatchObject({ data: [], meta: { total: 0 } })
  })

  it('should handle file attachments', async () => {
    const id = await conversationOfTwo()
    const form = new FormData()
    form.append('content', 'Check out this document')
    form.append('type', 'FILE')
    const bytes = '%PDF-1.4\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n'
    form.append('file', new Blob([bytes]), 'report.pdf')
    const answer = await fetch(`${cluster.url}/api/messages/conversations/${id}/messages`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${cluster.token(ahmed)}` },
      body: form,
    })
    const { data } = (await answer.json()) as Body<Message>
    expect(data).toMatchObject({
      conversationId: id,
      senderId: ahmed.id,
      content: 'Check out this document',
      type: 'FILE',
      attachments: [{ fileName: 'report.pdf', fileSize: bytes.length, fileType: 'application/pdf' }],
    })
    const [attachment] = (await history(fatima, id)).at(-1)?.attachments ?? []
    const file = await fetch(attachment?.url ?? '')
    expect(await file.text()).toBe(bytes)
  })
})

describe('Messages Gateway', () => {
  it('should connect to WebSocket', async () => {
    const socket = await connect(ahmed)
    expect(socket.connected).toBe(true)
    const nobody = io(cluster.url, { auth: { token: 'no-token-at-all' }, forceNew: true, reconnection: false })
    sockets.push(nobody)
    const refused = await once<Error & { data: unknown }>(nobody, 'connect_error')
    expect(refused).toMatchObject({ message: expect.stringContaining('token'), data: { code: 'TOKEN_INVALID' } })
  })

  it('should send and receive messages', async () => {
    const conversationId = await conversationOfTwo()
    const [a, f] = [await connect(ahmed), await connect(fatima)]
    const received = Promise.all([once<Message>(a, 'newMessage'), once<Message>(f, 'newMessage')])
    a.emit('sendMessage', { conversationId, content: 'Hello! How are you?', type: 'TEXT', attachments: [] })
    const [own, others] = await received
    expect(others).toEqual(own)
    expect(own).toMatchObject({
      conversationId,
      sender: { id: ahmed.id, fullName: 'Ahmed Hassan' },
      content: 'Hello! How are you?',
      type: 'TEXT',
    })
    expect((await history(fatima, conversationId)).at(-1)).toEqual(own)
  })

  it('should emit typing indicators', async () => {
    const conversationId = await conversationOfTwo()
    const [a, f] = [await connect(ahmed), await connect(fatima)]
    const started = once(f, 'userTyping')
    a.emit('typing', { conversationId })
    expect(await started).toEqual({ conversationId, userId: ahmed.id, userName: 'Ahmed Hassan' })
    const stopped = once(f, 'userStoppedTyping')
    a.emit('stopTyping', { conversationId })
    expect(await stopped).toEqual({ conversationId, userId: ahmed.id, userName: 'Ahmed Hassan' })
  })

  it('should track user presence', async () => {
    const [sara, omar] = [user('Sara Ali'), user('Omar Khan')]
    await cluster.register(sara, omar)
    await request(sara, 'POST', '/conversations', { participantIds: [omar.id], type: 'DIRECT' })
    const s = await connect(sara)
    const online = once(s, 'userOnline')
    const o = await connect(omar)
    expect(await online).toMatchObject({ userId: omar.id, userName: 'Omar Khan' })
    const asked = once<string[]>(s, 'onlineUsers')
    s.emit('getOnlineUsers')
    expect(await asked).toEqual([omar.id])
    const offline = once(s, 'userOffline')
    o.disconnect()
    expect(await offline).toMatchObject({ userId: omar.id, userName: 'Omar Khan' })
  })

  it('should handle read receipts', async () => {
    const conversationId = await conversationOfTwo()
    const [a, f] = [await connect(ahmed), await connect(fatima)]
    const message = await send(ahmed, conversationId, 'Read this')
    const read = once(a, 'messageRead')
    f.emit('markAsRead', { conversationId, messageId: message.id })
    expect(await read).toMatchObject({ messageId: message.id, userId: fatima.id, userName: 'Fatima Rahman' })
  })

  it('should disconnect gracefully', async () => {
    const conversationId = await conversationOfTwo()
    const [a, f] = [await connect(ahmed), await connect(fatima)]
    const reason = once(a, 'disconnect')
    a.disconnect()
    expect(await reason).toBe('io client disconnect')
    const received = once<Message>(f, 'newMessage')
    const sent = await send(fatima, conversationId, 'Where did you go?')
    expect(await received).toEqual(sent)
    a.connect()
    await once(a, 'connect')
    expect((await history(ahmed, conversationId)).at(-1)).toEqual(sent)
  })
})

/** The callbacks that the class leaves to its user. */
interface ChatService {
  sendMessage(conversationId: string, content: string): void
  startTyping(conversationId: string): void
  stopTyping(conversationId: string): void
  markAsRead(conversationId: string, messageId: string): void
}

/** Loads the class exactly as in the specification, except that its address is replaced by this cluster's. */
async function chatService(): Promise<new (token: string) => ChatService> {
  const code = await readFile(new URL('fixtures/chat-service.txt', import.meta.url), 'utf8')
  const [importLine = ''] = /^import .*$/m.exec(code) ?? []
  expect(importLine).toBe("import { io } from 'socket.io-client';")
  const define = new Function('io', `${stripTypeScriptTypes(code.replace(importLine, ''))}; return ChatService`)
  return define((address: string, options: object) => {
    expect(address).toBe('http://localhost:4000')
    const socket = io(cluster.url, { ...options, forceNew: true })
    sockets.push(socket)
    return socket
  })
}

describe('The ChatService of the specification', () => {
  it('works unchanged', async () => {
    const conversationId = await conversationOfTwo()
    const Base = await chatService()
    const heard: unknown[][] = []
    class Chat extends Base {
      readonly who: string
      constructor(person: User) {
        super(cluster.token(person))
        this.who = person.fullName
      }
      hear(...what: unknown[]): void {
        heard.push([this.who, ...what])
      }
      onNewMessage(message: Message): void {
        this.hear('message', message.content)
      }
      showTypingIndicator(conversation: string, userName: string): void {
        this.hear('typing', conversation, userName)
      }
      updateReadReceipt(messageId: string, userId: string): void {
        this.hear('read', messageId, userId)
      }
    }
    const until = (...what: unknown[]) => expect.poll(() => heard, { interval: 10 }).toContainEqual(what)
    const [a, f] = [new Chat(ahmed), new Chat(fatima)]
    await Promise.all(sockets.map((socket) => once(socket, 'connect')))
    a.startTyping(conversationId)
    await until('Fatima Rahman', 'typing', conversationId, 'Ahmed Hassan')
    a.stopTyping(conversationId)
    a.sendMessage(conversationId, 'Salam!')
    await until('Fatima Rahman', 'message', 'Salam!')
    await until('Ahmed Hassan', 'message', 'Salam!')
    const last = (await history(ahmed, conversationId)).at(-1)
    f.markAsRead(conversationId, last?.id ?? '')
    await until('Ahmed Hassan', 'read', last?.id, fatima.id)
  })
})
