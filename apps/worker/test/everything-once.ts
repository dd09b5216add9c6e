import type { Message, SearchHit } from '@parley/protocol'
import { dataOf, direct, emit, next, user } from '@parley/testkit'
import { expect } from 'vitest'
import { eventually, type PushSettingOptions, startPushSetting } from './push-setting.ts'

/** Starts a whole cluster with at least two gateways, and exercises everything that uses Redis or the database, once. */
export async function everythingOnce(options: PushSettingOptions): Promise<void> {
  await using setting = await startPushSetting(options)
  const { cluster, service } = setting
  const [ahmed, fatima, away] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Away')]
  const conversation = await direct(cluster, ahmed, fatima)
  const distant = await direct(cluster, ahmed, away)
  const a = await cluster.socket(ahmed, { gateway: 0, transports: ['websocket'] })
  const online = next(a, 'userOnline')
  const f = await cluster.socket(fatima, { gateway: 1, transports: ['websocket'] })
  expect(await online).toMatchObject({ userId: fatima.id })
  expect(dataOf(await emit<string[]>(a, 'getOnlineUsers'))).toEqual([fatima.id])

  const typing = next(f, 'userTyping')
  a.emit('typing', { conversationId: conversation.id, isTyping: true })
  expect(await typing).toMatchObject({ conversationId: conversation.id, userId: ahmed.id })

  const received = next(f, 'newMessage')
  const sent = await emit<Message>(a, 'sendMessage', { conversationId: conversation.id, content: 'Hello over there' })
  expect(await received).toMatchObject({ content: 'Hello over there', seq: 1 })
  const read = next(a, 'messageRead')
  await emit(f, 'markAsRead', { conversationId: conversation.id, messageId: dataOf(sent).id })
  await read

  const path = `/api/messages/conversations/${conversation.id}/messages`
  expect(dataOf(await cluster.api(fatima).get<Message[]>(path))).toMatchObject([{ content: 'Hello over there' }])
  await eventually('the message is found', async () => {
    return dataOf(await cluster.api(fatima).get<SearchHit[]>('/api/messages/search?query=over')).length === 1
  })

  const device = await setting.device(away)
  await setting.send(ahmed, distant, 'Are you there?')
  await service.until(() => service.shown(device).length > 0)
  expect(service.shown(device)).toMatchObject([{ payload: { body: 'Are you there?' } }])

  const offline = next(a, 'userOffline')
  f.disconnect()
  expect(await offline).toMatchObject({ userId: fatima.id })
}
