import { pausePushDevice } from '@parley/db'
import type { Conversation, Message, User } from '@parley/protocol'
import { type Cluster, direct, redisClient, type TestDevice, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { eventually, idle, type PushSetting, promoteDelayed, startPushSetting } from './push-setting.ts'

let setting: PushSetting
let cluster: Cluster
beforeAll(async () => {
  setting = await startPushSetting({ gateways: 0, workers: 2, edge: false, env: { PUSH_BURST_MS: '0' } })
  cluster = setting.cluster
})
afterAll(() => setting?.[Symbol.asyncDispose]())

interface Pair {
  sender: User
  person: User
  conversation: Conversation
  phone: TestDevice
}

async function pair(): Promise<Pair> {
  const [sender, person] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const conversation = await direct(cluster, sender, person)
  return { sender, person, conversation, phone: await setting.device(person) }
}

const toDevice = ({ id }: TestDevice) => setting.service.pushes.filter(({ deviceId }) => deviceId === id)
const statuses = (phone: TestDevice) => toDevice(phone).map(({ status }) => status)

async function devicesOf({ id }: User): Promise<number> {
  return (await cluster.sql.query('select 1 from push_subscriptions where user_id = $1', [id])).rows.length
}

describe('answers of a push service', () => {
  it.each([201, 202, 200])('treats %i as success', async (status) => {
    const { sender, conversation, phone } = await pair()
    setting.service.answer(phone, { status })
    await setting.send(sender, conversation)
    await idle(setting)
    expect(statuses(phone)).toEqual([status])
  })

  it.each([404, 410])('removes the device at %i, and notifies the other one', async (status) => {
    const { sender, person, conversation, phone } = await pair()
    const laptop = await setting.device(person)
    setting.service.answer(phone, { status })
    await setting.send(sender, conversation)
    await idle(setting)
    expect([statuses(phone), statuses(laptop)]).toEqual([[status], [201]])
    expect(await devicesOf(person)).toBe(1)
    await setting.send(sender, conversation)
    await idle(setting)
    expect([statuses(phone), statuses(laptop)]).toEqual([[status], [201, 201]])
  })

  it('waits after a 429 as long as requested, with every message to that device', async () => {
    const { sender, person, conversation, phone } = await pair()
    const laptop = await setting.device(person)
    setting.service.answer(phone, { status: 429, headers: { 'retry-after': '6' } })
    await setting.send(sender, conversation, 'one')
    await setting.service.until(() => statuses(phone).length === 1 && statuses(laptop).length === 1)
    await setting.send(sender, conversation, 'two')
    await setting.service.until(() => statuses(laptop).length === 2)
    await idle(setting)
    const [refused, ...later] = toDevice(phone)
    expect(later).toHaveLength(1)
    expect((later[0]?.at ?? 0) - (refused?.at ?? 0)).toBeGreaterThanOrEqual(5_900)
    expect(later[0]?.payload).toMatchObject({ body: '2 new messages', data: { seq: 2 } })
    expect(statuses(laptop)).toEqual([201, 201])
  })

  it('pauses a device no longer than the TTL, whatever is requested', async () => {
    const { sender, person, conversation, phone } = await pair()
    setting.service.answer(phone, { status: 429, headers: { 'retry-after': '999999999' } })
    await setting.send(sender, conversation)
    const pauseOf = async () => {
      const found = await cluster.sql.query('select retry_at from push_subscriptions where user_id = $1', [person.id])
      return found.rows[0].retry_at as Date | null
    }
    await eventually('the device is paused', async () => (await pauseOf()) !== null)
    expect(Number(await pauseOf())).toBeLessThan(Date.now() + 24 * 3_600_000)
    await cluster.api(person).delete('/api/push/subscriptions', { endpoint: phone.subscription.endpoint })
    await promoteDelayed(setting)
    await idle(setting)
  })

  it('postpones a retry again if the pause was extended', async () => {
    const { sender, person, conversation, phone } = await pair()
    setting.service.answer(phone, { status: 429, headers: { 'retry-after': '5' } })
    await setting.send(sender, conversation)
    const pauseOf = async () => {
      const { rows } = await cluster.sql.query('select id, retry_at from push_subscriptions where user_id = $1', [
        person.id,
      ])
      return rows[0]
    }
    await eventually('the device is paused', async () => (await pauseOf()).retry_at !== null)
    // By less than a second: a job for that moment would have the same id as the one that finds it.
    const { id, retry_at } = await pauseOf()
    const until = new Date(Math.floor(Date.parse(retry_at) / 1_000) * 1_000 + 999)
    await pausePushDevice(cluster.sql, id, until)
    await pausePushDevice(cluster.sql, id, new Date(0))
    await idle(setting)
    expect(statuses(phone)).toEqual([429, 201])
    expect(toDevice(phone)[1]?.at).toBeGreaterThanOrEqual(until.getTime())
  })

  it('retries after a 500 and after a cut connection, only on the device that failed', async () => {
    const { sender, person, conversation, phone } = await pair()
    const laptop = await setting.device(person)
    setting.service.answer(phone, { status: 500 }, { status: 0 })
    await setting.send(sender, conversation)
    await setting.service.until(() => setting.service.shown(phone).length === 1)
    await idle(setting)
    expect([statuses(phone), statuses(laptop)]).toEqual([[500, 0, 201], [201]])
  })

  it('retries when there is no answer within ten seconds', async () => {
    const { sender, conversation, phone } = await pair()
    const never = Promise.withResolvers<void>()
    setting.service.answer(phone, { status: 201, after: never.promise })
    await setting.send(sender, conversation)
    await setting.service.until(() => toDevice(phone).length === 2)
    never.resolve()
    const [first, second] = toDevice(phone)
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(10_000)
    expect(await setting.metric('parley_push_failed_total', 'timeout')).toBe(1)
  })

  it('sends a shorter body after a 413', async () => {
    const { sender, conversation, phone } = await pair()
    setting.service.answer(phone, { status: 413 })
    await setting.send(sender, conversation, 'ö𝒜'.repeat(3_000))
    await idle(setting)
    const [whole, short] = toDevice(phone)
    expect([whole?.status, short?.status]).toEqual([413, 201])
    expect(whole?.bytes).toBeGreaterThan(4_000)
    expect(whole?.bytes).toBeLessThanOrEqual(4_096)
    expect(short?.bytes).toBeLessThan(1_200)
    expect(short?.payload.kind === 'show' && short.payload.body).toMatch(/^(ö𝒜)+ö?…$/u)
  })

  it.each([400, 403])('gives up at %i, and logs why once', async (status) => {
    const cause = `cause ${status} of the test`
    for (const { sender, conversation, phone } of [await pair(), await pair()]) {
      setting.service.answer(phone, { status, body: cause })
      await setting.send(sender, conversation)
      await idle(setting)
      expect(statuses(phone)).toEqual([status])
    }
    const said = () =>
      setting.cluster
        .logs()
        .split('\n')
        .filter((line) => line.includes(cause))
    await eventually('it is said', async () => said().length > 0)
    // Each worker logs it once.
    expect(said().length).toBeLessThanOrEqual(setting.cluster.workers.length)
    expect(await setting.metric('parley_push_failed_total', `status="${status}"`)).toBe(2)
  })

  it('does not follow a redirect', async () => {
    const { sender, conversation, phone } = await pair()
    const elsewhere = setting.service.subscribe()
    setting.service.answer(phone, { status: 307, headers: { location: elsewhere.subscription.endpoint } })
    await setting.send(sender, conversation)
    await idle(setting)
    expect([statuses(phone), statuses(elsewhere)]).toEqual([[307], []])
  })
})

describe('a device that was not notified', () => {
  it('is not told to close anything when the message is read meanwhile', async () => {
    const { sender, person, conversation, phone } = await pair()
    const read = Promise.withResolvers<void>()
    setting.service.answer(phone, { status: 500, after: read.promise })
    const { id: messageId } = await setting.send(sender, conversation)
    await setting.service.until(() => statuses(phone).length === 1)
    await cluster.api(person).post(`/api/messages/conversations/${conversation.id}/read`, { messageId })
    read.resolve()
    await idle(setting)
    expect(statuses(phone)).toEqual([500])
  })

  it('is not notified once the message has outlived the TTL', async () => {
    const { sender, conversation, phone } = await pair()
    await cluster.sql.query(
      `with bumped as (update conversations set last_seq = 1, rev = rev + 1 where id = $1 returning rev),
         message as (
           insert into messages (conversation_id, seq, id, rev, sender_id, content, type, created_at)
           select $1, 1, gen_random_uuid(), rev, $2, 'Too late', 'TEXT', now() - interval '2 days' from bumped)
       insert into outbox (origin, batch, conversation_ids, seqs) values ('long dead', 1, array[$1::uuid], array[1])`,
      [conversation.id, sender.id],
    )
    await idle(setting)
    expect(statuses(phone)).toEqual([])
    const { failed } = (await (await fetch(`${cluster.workers[0]?.adminUrl}/push/failed`)).json()) as {
      failed: { reason: string }[]
    }
    expect(failed[0]?.reason).toMatch(/^expired/)
  })
})

describe('a device that cannot be told to close a notification', () => {
  it('is retried less and less often, as one job, however much is read meanwhile', async () => {
    const { sender, person, conversation, phone } = await pair()
    const read = ({ id: messageId }: Message) =>
      cluster.api(person).post(`/api/messages/conversations/${conversation.id}/read`, { messageId })
    const message = await setting.send(sender, conversation)
    await setting.service.until(() => setting.service.shown(phone).length === 1)
    await idle(setting)
    setting.service.answer(phone, ...Array.from({ length: 30 }, () => ({ status: 500 })))
    await read(message)
    const tries = () => toDevice(phone).slice(1)
    await setting.service.until(() => tries().length === 4)
    const waits = tries().map(({ at }, index) => at - (tries()[index - 1]?.at ?? at))
    expect(waits[2]).toBeGreaterThanOrEqual(2_000)
    expect(waits[3]).toBeGreaterThanOrEqual(4_000)
    // Each message of the person's own moves their read mark, and records the closing once more.
    for (let said = 0; said < 3; said++) await setting.send(person, conversation, 'I am here')
    await setting.service.until(() => tries().length >= 7)
    const redis = await redisClient(cluster.redisUrl)
    onTestFinished(() => redis.disconnect())
    await expect.poll(() => redis.llen('{parley}:push:active')).toBe(0)
    expect(await redis.zcard('{parley}:push:delayed')).toBe(1)
    await cluster.api(person).delete('/api/push/subscriptions', { endpoint: phone.subscription.endpoint })
    await promoteDelayed(setting)
    await idle(setting)
  })
})

describe('delivery', () => {
  it('reuses its connections and its VAPID token', async () => {
    const before = setting.service.connections
    const { sender, conversation, phone } = await pair()
    for (let turn = 0; turn < 6; turn++) {
      await setting.send(sender, conversation)
      await idle(setting)
    }
    expect(statuses(phone)).toHaveLength(6)
    expect(setting.service.connections - before).toBeLessThanOrEqual(2)
    const tokens = new Set(setting.service.pushes.map(({ authorization }) => authorization))
    expect(tokens.size).toBeLessThanOrEqual(setting.cluster.workers.length)
  })

  it('connects to public addresses only, whatever the database contains', async () => {
    const { sender, person, conversation, phone } = await pair()
    const endpoints = ['https://10.0.0.1/push', 'https://169.254.169.254/latest', 'http://127.0.0.1:9/push']
    const laptops = await Promise.all(endpoints.map(() => setting.device(person)))
    for (const [index, endpoint] of endpoints.entries()) {
      const old = laptops[index]?.subscription.endpoint
      await cluster.sql.query('update push_subscriptions set endpoint = $2 where endpoint = $1', [old, endpoint])
    }
    const refused = await setting.metric('parley_push_failed_total', 'address')
    await setting.send(sender, conversation)
    await idle(setting)
    expect(statuses(phone)).toEqual([201])
    expect(await setting.metric('parley_push_failed_total', 'address')).toBe(refused + endpoints.length)
  })

  it('shows its metrics, its dead jobs and the board on the admin port only', async () => {
    const [worker] = cluster.workers
    const { sender, conversation, phone } = await pair()
    setting.service.answer(phone, { status: 403, body: 'no' })
    await setting.send(sender, conversation)
    await idle(setting)
    const failed = (await (await fetch(`${worker?.adminUrl}/push/failed`)).json()) as { failed: { reason: string }[] }
    expect(failed.failed[0]).toMatchObject({ name: 'message', reason: 'refused: 403' })
    const board = await fetch(`${worker?.adminUrl}/queues`)
    expect([board.status, await board.text()]).toEqual([200, expect.stringContaining('Parley')])
    const queues = await fetch(`${worker?.adminUrl}/queues/api/queues`)
    expect(await queues.json()).toMatchObject({ queues: [{ name: 'push', readOnlyMode: true }] })
    for (const path of ['/queues', '/push/failed', '/metrics']) {
      expect((await fetch(`${cluster.url}${path}`)).status).toBe(404)
    }
    await eventually(
      'the gauges show jobs',
      async () => (await setting.metric('parley_push_queue_jobs', 'completed')) > 0,
    )
    expect(await setting.metric('parley_push_delay_seconds_count')).toBeGreaterThan(0)
    expect(await setting.metric('parley_push_queued_total', 'message')).toBeGreaterThan(0)
  })
})
