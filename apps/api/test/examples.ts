import { createECDH, randomBytes } from 'node:crypto'
import type { Conversation, Message, PushSubscription, StartedUpload, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, group, user } from '@parley/testkit'
import { PDF } from './attachments-bed.ts'

/** A valid request for one operation. */
export interface Example {
  params?: Record<string, string>
  query?: Record<string, string>
  body?: unknown
  /** Who sends it; default Ahmed. */
  as?: 'service' | 'nobody'
}

/** The people, conversations, messages, uploads and devices that the examples refer to. */
export interface World {
  ahmed: User
  fatima: User
  newcomer: User
  pair: Conversation
  team: Conversation
  message: Message
  /** Ahmed’s uploads in the pair: one with all parts, and one to be removed. */
  upload: StartedUpload
  unwanted: StartedUpload
  /** The attachment of a message in the pair. */
  attachmentId: string
  subscription: PushSubscription
}

export const CONVERSATIONS = '/api/messages/conversations'
const PHOTO = 'https://example.com/photo.png'

export function device(endpoint = `https://push.example.com/${randomBytes(8).toString('hex')}`) {
  const p256dh = createECDH('prime256v1').generateKeys('base64url')
  return { endpoint, expirationTime: null, keys: { p256dh, auth: randomBytes(16).toString('base64url') } }
}

export async function makeWorld(cluster: Cluster): Promise<World> {
  const [ahmed, fatima, newcomer] = [user('Ahmed Hassan', 'https://example.com/a.png'), user('Fatima'), user('New')]
  await cluster.register(newcomer)
  const pair = await direct(cluster, ahmed, fatima)
  const team = await group(cluster, ahmed, [fatima], 'Team')
  const api = cluster.api(ahmed)
  const path = `${CONVERSATIONS}/${pair.id}`
  const upload = async () => {
    const file = { fileName: 'report.pdf', fileSize: PDF.length }
    const started = dataOf(await api.post<StartedUpload>(`${path}/attachments`, file))
    await fetch(started.url ?? '', { method: 'PUT', body: new Uint8Array(PDF) })
    return started
  }
  const { id: attachmentId } = await upload()
  dataOf(await api.post(`${path}/attachments/${attachmentId}/complete`))
  const body = { content: 'An example to search for', attachments: [{ id: attachmentId }] }
  const message = dataOf(await api.post<Message>(`${path}/messages`, body))
  const subscription = dataOf(await api.post<PushSubscription>('/api/push/subscriptions', device()))
  return {
    ...{ ahmed, fatima, newcomer, pair, team, message, attachmentId, subscription },
    ...{ upload: await upload(), unwanted: await upload() },
  }
}

/** Returns a valid request for every operation by its `operationId`, in an order in which all of them succeed. */
export function examplesOf(world: World): Record<string, Example> {
  const { ahmed, fatima, newcomer, pair, team, message, upload, unwanted, attachmentId, subscription } = world
  const inPair = { conversationId: pair.id }
  const inTeam = { conversationId: team.id }
  const endpoint = `https://push.example.com/${randomBytes(8).toString('hex')}`
  return {
    createConversation: { body: { type: 'DIRECT', participantIds: [fatima.id], name: null } },
    listConversations: { query: { page: '1', limit: '20', search: 'Fat' } },
    getConversation: { params: inPair },
    renameConversation: { params: inTeam, body: { name: 'Team of two' } },
    addParticipants: { params: inTeam, body: { userIds: [newcomer.id] } },
    removeParticipant: { params: { ...inTeam, userId: newcomer.id } },
    muteConversation: { params: inPair, body: { until: '2100-01-01T00:00:00Z' } },
    listMutes: {},
    unreadCounts: {},
    listMessages: { params: inPair, query: { page: '1', limit: '10', before: '2100-01-01' } },
    sendMessage: { params: inPair, body: { content: 'Hello', type: 'TEXT', clientMessageId: 'one', attachments: [] } },
    markAsRead: { params: inPair, body: { messageId: message.id } },
    searchMessages: {
      query: {
        query: 'example',
        conversationId: pair.id,
        senderId: ahmed.id,
        from: '2000-01-01',
        to: '2100-01-01',
        sort: 'best',
      },
    },
    sync: { body: { conversations: { [pair.id]: 0 }, after: null, until: null } },
    startUpload: { params: inPair, body: { fileName: 'large.pdf', fileSize: 10_000_000 } },
    completeUpload: { params: { ...inPair, attachmentId: upload.id } },
    giveUpUpload: { params: { ...inPair, attachmentId: unwanted.id } },
    getAttachment: { params: { attachmentId } },
    me: {},
    searchUsers: { query: { search: 'Ahm', page: '1', limit: '5' } },
    putUser: { as: 'service', params: { userId: newcomer.id }, body: { fullName: 'Newer', profilePhoto: PHOTO } },
    putUsers: { as: 'service', body: { users: [{ id: newcomer.id, fullName: 'Newest', profilePhoto: PHOTO }] } },
    revokeTokens: { as: 'service', params: { userId: newcomer.id }, body: { before: '2020-01-01T00:00:00Z' } },
    hasDevSessions: { as: 'nobody' },
    createDevSession: { as: 'nobody', body: { user: { id: newcomer.id, fullName: 'Demo', profilePhoto: PHOTO } } },
    pushPublicKey: {},
    subscribe: { body: device(endpoint) },
    listSubscriptions: {},
    unsubscribe: { body: { endpoint } },
    removeSubscription: { params: { subscriptionId: subscription.id } },
    getPushPreferences: {},
    putPushPreferences: {
      body: { showContent: false, quietHours: { start: '22:00', end: '07:00', timeZone: 'Asia/Dhaka' } },
    },
  }
}
