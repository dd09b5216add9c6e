import { direct, emit, group, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  eventually,
  holdTurns,
  idle,
  lookAt,
  type PushSetting,
  promoteDelayed,
  quietNow,
  startPushSetting,
} from './push-setting.ts'

let setting: PushSetting
beforeAll(async () => {
  setting = await startPushSetting({ gateways: 1, workers: 2, env: { PUSH_BURST_MS: '700' } })
})
afterAll(() => setting?.[Symbol.asyncDispose]())

describe('who gets a push', () => {
  it('notifies an offline person once: title, body and data as specified', async () => {
    const { cluster, service } = setting
    const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
    const conversation = await direct(cluster, ahmed, fatima)
    const phone = await setting.device(fatima)
    const message = await setting.send(ahmed, conversation)
    await service.until(() => service.shown(phone).length > 0)
    const [push] = service.shown(phone)
    expect(push?.payload).toEqual({
      kind: 'show',
      title: 'Ahmed Hassan',
      body: 'Hello! How are you?',
      tag: conversation.id,
      data: { type: 'NEW_MESSAGE', conversationId: conversation.id, messageId: message.id, seq: 1, count: 1 },
    })
    expect(push?.urgency).toBe('high')
    expect(push?.topic).toMatch(/^[\w-]{32}$/)
    expect(push?.ttl).toBeGreaterThan(86_000)
    expect(service.errors).toEqual([])
  })

  it('notifies each offline member of a group exactly once, but neither the sender nor those in the foreground', async () => {
    const { cluster, service } = setting
    const [owner, front, ...offline] = Array.from({ length: 12 }, (_, index) => user(`Person ${index}`))
    if (owner === undefined || front === undefined) throw new Error('there are twelve')
    const conversation = await group(cluster, owner, [front, ...offline], 'Project')
    const [own, watching] = [await setting.device(owner), await setting.device(front)]
    const phones = await Promise.all(offline.map((person) => setting.device(person)))
    await lookAt(setting, front)
    const suppressed = await setting.metric('parley_push_suppressed_total', 'foreground')
    await setting.send(owner, conversation)
    await service.until(() => phones.every((phone) => service.shown(phone).length > 0))
    await idle(setting)
    expect(phones.map((phone) => service.shown(phone).length)).toEqual(phones.map(() => 1))
    expect([service.shown(own), service.shown(watching)]).toEqual([[], []])
    expect(await setting.metric('parley_push_suppressed_total', 'foreground')).toBe(suppressed + 1)
    expect(service.shown(phones[0])[0]?.urgency).toBe('normal')
  })

  it('notifies a person whose only tab is in the background, but not once it is in the foreground again', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user(), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    const socket = await cluster.socket(person)
    expect(await emit(socket, 'setVisibility', { visible: 'no' })).toMatchObject({ success: false })
    expect(await emit(socket, 'setVisibility', { visible: false })).toMatchObject({ success: true })
    await setting.send(sender, conversation)
    await service.until(() => service.shown(phone).length === 1)
    await emit(socket, 'setVisibility', { visible: true })
    await setting.send(sender, conversation, 'Now you look')
    await idle(setting)
    expect(service.shown(phone)).toHaveLength(1)
  })

  it('notifies nobody who has muted the conversation, until the mute ends', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user(), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    const mute = (until: string | null) =>
      cluster.api(person).put(`/api/messages/conversations/${conversation.id}/mute`, { until })
    expect(await mute('2999-01-01T00:00:00Z')).toMatchObject({ status: 200 })
    await setting.send(sender, conversation)
    await idle(setting)
    expect(service.shown(phone)).toEqual([])
    await mute(null)
    await setting.send(sender, conversation, 'Again')
    await service.until(() => service.shown(phone).length === 1)
    expect(await setting.metric('parley_push_suppressed_total', 'muted')).toBeGreaterThan(0)
  })

  it('notifies nobody who has read the message before the job runs, or has left', async () => {
    const { cluster, service } = setting
    const [sender, reader, leaver] = [user(), user(), user()]
    const conversation = await group(cluster, sender, [reader, leaver])
    const phones = [await setting.device(reader), await setting.device(leaver)]
    const path = `/api/messages/conversations/${conversation.id}`
    const goOn = await holdTurns(setting, conversation, reader, leaver)
    const message = await setting.send(sender, conversation)
    await cluster.api(reader).post(`${path}/read`, { messageId: message.id })
    await cluster.api(leaver).delete(`${path}/participants/${leaver.id}`)
    await goOn()
    await idle(setting)
    expect(phones.map((phone) => service.shown(phone))).toEqual([[], []])
  })
})

describe('what is shown', () => {
  it('shows one notification for a burst', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user('Ahmed Hassan'), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    const goOn = await holdTurns(setting, conversation, person)
    const messages = await Promise.all(['one', 'two', 'three'].map((text) => setting.send(sender, conversation, text)))
    await goOn()
    await idle(setting)
    const shown = service.shown(phone)
    expect(shown.map(({ payload }) => payload)).toMatchObject([
      { title: 'Ahmed Hassan', body: '3 new messages', data: { count: 3, seq: 3 } },
    ])
    expect(messages.map(({ id }) => id)).toContain(shown[0]?.payload.kind === 'show' && shown[0].payload.data.messageId)
  })

  it('replaces an open notification with one that also counts its message', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user('Ahmed Hassan'), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    await setting.send(sender, conversation, 'one')
    await service.until(() => service.shown(phone).length === 1)
    await idle(setting)
    const goOn = await holdTurns(setting, conversation, person)
    await setting.send(sender, conversation, 'two')
    await setting.send(sender, conversation, 'three')
    await goOn()
    await service.until(() => service.shown(phone).length === 2)
    const [first, second] = service.shown(phone)
    expect(second?.payload).toMatchObject({ body: '3 new messages', tag: first?.payload.tag })
    expect(second?.topic).toBe(first?.topic)
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(600)
    await idle(setting)
    expect(service.shown(phone)).toHaveLength(2)
    // Long after the burst, earlier messages are not counted again.
    await new Promise((resolve) => setTimeout(resolve, 800))
    await setting.send(sender, conversation, 'four')
    await service.until(() => service.shown(phone).length === 3)
    expect(service.shown(phone)[2]?.payload).toMatchObject({ body: 'four', data: { count: 1 } })
  })

  it('closes the notification on all devices once it is read on one', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user(), user()]
    const conversation = await direct(cluster, sender, person)
    const phones = [await setting.device(person), await setting.device(person)]
    const message = await setting.send(sender, conversation)
    await service.until(() => phones.every((phone) => service.shown(phone).length === 1))
    const late = await setting.device(person)
    const socket = await cluster.socket(person)
    await emit(socket, 'markAsRead', { conversationId: conversation.id, messageId: message.id })
    await service.until(() => phones.every((phone) => service.shown(phone).length === 2))
    for (const phone of phones) {
      const [shown, closed] = service.shown(phone)
      expect(closed?.payload).toEqual({
        kind: 'close',
        tag: conversation.id,
        data: { type: 'CLOSE', conversationId: conversation.id },
      })
      expect(closed?.topic).toBe(shown?.topic)
    }
    expect(service.shown(late)).toEqual([])
    await eventually('nothing is noted as shown', async () => {
      const { rows } = await cluster.sql.query('select 1 from push_shown where user_id = $1', [person.id])
      return rows.length === 0
    })
  })

  it('hides the content if the person wants that', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user('Ahmed Hassan'), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    await cluster.api(person).put('/api/push/preferences', { showContent: false })
    await setting.send(sender, conversation, 'a secret')
    await service.until(() => service.shown(phone).length === 1)
    expect(service.shown(phone)[0]?.payload).toMatchObject({ title: 'Ahmed Hassan', body: 'New message' })
  })

  it('holds messages during quiet hours and sends one summary', async () => {
    const { cluster, service } = setting
    const [a, b, person] = [user('Ahmed Hassan'), user('Fatima Rahman'), user()]
    const conversations = [await direct(cluster, a, person), await direct(cluster, b, person)] as const
    const phone = await setting.device(person)
    const quietHours = quietNow()
    const answer = await cluster.api(person).put('/api/push/preferences', { quietHours })
    expect(answer.body).toMatchObject({ data: { quietHours, showContent: true } })
    await setting.send(a, conversations[0])
    await setting.send(b, conversations[1])
    await setting.send(b, conversations[1], 'and more')
    const held = () => setting.metric('parley_push_suppressed_total', 'quiet')
    await eventually('both are held', async () => (await held()) >= 2)
    await idle(setting)
    expect(service.shown(phone)).toEqual([])
    // They have been changed since, and still apply.
    await promoteDelayed(setting)
    await idle(setting)
    expect(service.shown(phone)).toEqual([])
    await cluster.api(person).put('/api/push/preferences', { quietHours: null })
    await promoteDelayed(setting)
    await service.until(() => service.shown(phone).length > 0)
    await idle(setting)
    expect(service.shown(phone).map(({ payload }) => payload)).toMatchObject([
      { title: '3 new messages', body: 'In 2 conversations', data: { type: 'DIGEST', count: 3, conversations: 2 } },
    ])
  })

  it('sends no summary to somebody who is in the foreground by then', async () => {
    const { cluster, service } = setting
    const [sender, person] = [user('Ahmed Hassan'), user()]
    const conversation = await direct(cluster, sender, person)
    const phone = await setting.device(person)
    await cluster.api(person).put('/api/push/preferences', { quietHours: quietNow() })
    const held = () => setting.metric('parley_push_suppressed_total', 'quiet')
    const before = await held()
    await setting.send(sender, conversation)
    await eventually('it is held', async () => (await held()) === before + 1)
    await cluster.api(person).put('/api/push/preferences', { quietHours: null })
    await lookAt(setting, person)
    await promoteDelayed(setting)
    await idle(setting)
    expect(service.shown(phone)).toEqual([])
  })

  it('includes the first message of quiet hours in the summary even if its job runs last', async () => {
    const { cluster, service } = setting
    const [a, b, person] = [user('Ahmed Hassan'), user('Fatima Rahman'), user()]
    const conversations = [await direct(cluster, a, person), await direct(cluster, b, person)] as const
    const phone = await setting.device(person)
    await cluster.api(person).put('/api/push/preferences', { quietHours: quietNow() })
    const suppressed = () => setting.metric('parley_push_suppressed_total', 'quiet')
    const before = await suppressed()
    // Another job holds the turn of the first message until the second one is held back.
    const goOn = await holdTurns(setting, conversations[0], person)
    await setting.send(a, conversations[0])
    await setting.send(b, conversations[1])
    await eventually('the second is held', async () => (await suppressed()) === before + 1)
    await goOn()
    await eventually('the first is held', async () => (await suppressed()) === before + 2)
    await setting.send(b, conversations[1], 'and more')
    await eventually('all are held', async () => (await suppressed()) === before + 3)
    await cluster.api(person).put('/api/push/preferences', { quietHours: null })
    await promoteDelayed(setting)
    await service.until(() => service.shown(phone).length > 0)
    expect(service.shown(phone).map(({ payload }) => payload)).toMatchObject([
      { title: '3 new messages', body: 'In 2 conversations', data: { type: 'DIGEST', count: 3, conversations: 2 } },
    ])
  })
})
