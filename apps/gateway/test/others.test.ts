import { type ClientEventName, type Conversation, clientEvents, type Message, type SyncAnswer } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, errorOf, startCluster, user } from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, beforeAll, expect, it } from 'vitest'

/*
 * Somebody who is not in a conversation tries every event on it, and learns and changes nothing. An event missing from the
 * table fails the type check and the test.
 */

const [ahmed, fatima, mallory] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Mallory')]
let cluster: Cluster
let conversation: Conversation
let message: Message
let socket: Socket
const heard: string[] = []
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
  conversation = await direct(cluster, ahmed, fatima)
  const path = `/api/messages/conversations/${conversation.id}/messages`
  message = dataOf(await cluster.api(ahmed).post<Message>(path, { content: 'For Fatima' }))
  const open = await cluster.socket(fatima)
  open.onAny((event: string) => heard.push(event))
  socket = await cluster.socket(mallory)
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Asserts that the answer is exactly that of a conversation that does not exist. */
async function noSuchConversation(event: ClientEventName, fields: object): Promise<void> {
  const theirs = errorOf(await emit(socket, event, { conversationId: conversation.id, ...fields }))
  expect(theirs.code).toBe('CONVERSATION_NOT_FOUND')
  expect(errorOf(await emit(socket, event, { conversationId: crypto.randomUUID(), ...fields }))).toEqual(theirs)
}

const attempts: Record<ClientEventName, () => Promise<unknown>> = {
  sendMessage: () => noSuchConversation('sendMessage', { content: 'Let me in', senderId: ahmed.id }),
  typing: () => noSuchConversation('typing', {}),
  stopTyping: () => noSuchConversation('stopTyping', {}),
  markAsRead: () => noSuchConversation('markAsRead', { messageId: message.id }),
  getOnlineUsers: async () => {
    const online = dataOf(await emit<string[]>(socket, 'getOnlineUsers', { conversationId: conversation.id }))
    expect(online).not.toContain(fatima.id)
  },
  setVisibility: async () => {
    const payload = { visible: true, userId: ahmed.id, conversationId: conversation.id }
    expect(dataOf(await emit(socket, 'setVisibility', payload))).toEqual({ visible: true })
  },
  sync: async () => {
    const nowhere = crypto.randomUUID()
    const conversations = { [conversation.id]: 0, [nowhere]: 0 }
    const answer = dataOf(await emit<SyncAnswer>(socket, 'sync', { conversations }))
    expect(answer.conversations).toEqual([])
    expect(answer.left.sort()).toEqual([conversation.id, nowhere].sort())
  },
  renewToken: async () => {
    const answer = await emit(socket, 'renewToken', { token: cluster.token(ahmed) })
    expect(errorOf(answer).code).toBe('FORBIDDEN')
    await noSuchConversation('typing', {})
  },
}

it.each(Object.keys(clientEvents) as ClientEventName[])('%s', async (event) => {
  expect(attempts, `${event} is missing in the table`).toHaveProperty(event)
  await attempts[event]()
})

it('its members noticed none of this, and nothing changed', async () => {
  const path = `/api/messages/conversations/${conversation.id}/messages`
  dataOf(await cluster.api(ahmed).post(path, { content: 'A mark' }))
  await expect.poll(() => heard).toContain('newMessage')
  expect(heard).toEqual(['newMessage'])
  const page = dataOf(await cluster.api(fatima).get<Message[]>(path))
  expect(page.map(({ content }) => content)).toEqual(['For Fatima', 'A mark'])
})
