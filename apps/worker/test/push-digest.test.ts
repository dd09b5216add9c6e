import { pausePushDevice } from '@parley/db'
import type { Conversation, Message, User } from '@parley/protocol'
import { direct, type TestDevice, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, idle, type PushSetting, promoteDelayed, quietNow, startPushSetting } from './push-setting.ts'

let setting: PushSetting
beforeAll(async () => {
  setting = await startPushSetting({ gateways: 0, workers: 2, edge: false, env: { PUSH_BURST_MS: '0' } })
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const shown = (phone: TestDevice) => setting.service.shown(phone)

/** Stores one message in each of `count` conversations during a person's quiet hours, which are now over. */
async function held(count: number) {
  const { cluster } = setting
  const person = user()
  const phone = await setting.device(person)
  await cluster.api(person).put('/api/push/preferences', { quietHours: quietNow() })
  const suppressed = () => setting.metric('parley_push_suppressed_total', 'quiet')
  const before = await suppressed()
  const messages: Message[] = []
  for (const sender of Array.from({ length: count }, () => user())) {
    messages.push(await setting.send(sender, await direct(cluster, sender, person)))
  }
  await eventually('all are held', async () => (await suppressed()) === before + count)
  await cluster.api(person).put('/api/push/preferences', { quietHours: null })
  return { person, phone, messages }
}

function read(person: User, { conversationId, id }: Message) {
  return setting.cluster.api(person).post(`/api/messages/conversations/${conversationId}/read`, { messageId: id })
}

async function pause(person: User, ms: number): Promise<number> {
  const until = Date.now() + ms
  const { rows } = await setting.cluster.sql.query('select id from push_subscriptions where user_id = $1', [person.id])
  await pausePushDevice(setting.cluster.sql, rows[0].id, new Date(until))
  return until
}

describe('a summary', () => {
  it('is closed when all its conversations are read at the same time', async () => {
    const { person, phone, messages } = await held(8)
    await promoteDelayed(setting)
    await setting.service.until(() => shown(phone).length === 1)
    await idle(setting)
    await Promise.all(messages.map((message) => read(person, message)))
    await setting.service.until(() => shown(phone).length > 1)
    await idle(setting)
    const [summary, ...closed] = shown(phone)
    expect(summary?.payload).toMatchObject({ kind: 'show', tag: 'digest' })
    expect(new Set(closed.map(({ payload }) => `${payload.kind} ${payload.tag}`))).toEqual(new Set(['close digest']))
  })

  it('stays as long as one of its conversations is unread', async () => {
    const { person, phone, messages } = await held(2)
    await promoteDelayed(setting)
    await setting.service.until(() => shown(phone).length === 1)
    await idle(setting)
    const [first, second] = messages
    if (first === undefined || second === undefined) throw new Error('there are two')
    await read(person, first)
    await idle(setting)
    expect(shown(phone)).toHaveLength(1)
    await read(person, second)
    await setting.service.until(() => shown(phone).length === 2)
    expect(shown(phone)[1]?.payload).toMatchObject({ kind: 'close', tag: 'digest' })
  })
})

describe('a summary whose conversations get their own notifications', () => {
  it('is closed with the last of them, and each of them counts its share', async () => {
    const { phone, messages } = await held(2)
    await promoteDelayed(setting)
    await setting.service.until(() => shown(phone).length === 1)
    await idle(setting)
    const told = () =>
      shown(phone).map(({ payload }) => [payload.kind, payload.tag, 'count' in payload.data && payload.data.count])
    const expected: unknown[] = [['show', 'digest', 2]]
    for (const { sender, conversationId } of messages) {
      await setting.send(sender, { id: conversationId } as Conversation)
      expected.push(['show', conversationId, 2])
      await setting.service.until(() => shown(phone).length === expected.length)
      await idle(setting)
      expect(told().slice(0, expected.length)).toEqual(expected)
    }
    await setting.service.until(() => shown(phone).length > expected.length)
    expect(told()).toEqual([...expected, ['close', 'digest', false]])
  })
})

describe('a device whose push service asked for a pause', () => {
  it('is not sent a summary before that is over', async () => {
    const { person, phone } = await held(2)
    const until = await pause(person, 2_500)
    await promoteDelayed(setting)
    await setting.service.until(() => shown(phone).length === 1)
    expect(shown(phone)[0]).toMatchObject({ payload: { tag: 'digest' } })
    expect(shown(phone)[0]?.at).toBeGreaterThanOrEqual(until)
  })

  it('is not told to close a notification before that is over', async () => {
    const [sender, person] = [user(), user()]
    const conversation: Conversation = await direct(setting.cluster, sender, person)
    const phone = await setting.device(person)
    const message = await setting.send(sender, conversation)
    await setting.service.until(() => shown(phone).length === 1)
    await idle(setting)
    const until = await pause(person, 2_500)
    await read(person, message)
    await setting.service.until(() => shown(phone).length === 2)
    expect(shown(phone)[1]).toMatchObject({ payload: { kind: 'close' } })
    expect(shown(phone)[1]?.at).toBeGreaterThanOrEqual(until)
  })
})
