import { createECDH, randomBytes, randomUUID } from 'node:crypto'
import { forgetShown, listHeldConversations, recordShown } from '@parley/db'
import type { Message, PushSubscription } from '@parley/protocol'
import {
  type Api,
  apiClient,
  type Cluster,
  dataOf,
  direct,
  errorOf,
  startCluster,
  user,
  vapidSettings,
} from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const env = vapidSettings()
const publicKey = env.VAPID_PUBLIC_KEY

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 0, workers: 0, edge: false, env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

function subscription(endpoint = `https://push.example.com/${randomBytes(8).toString('hex')}`) {
  const p256dh = createECDH('prime256v1').generateKeys('base64url')
  return { endpoint, expirationTime: null, keys: { p256dh, auth: randomBytes(16).toString('base64url') } }
}

const shownOn = (subscriptionId: string) =>
  cluster.sql.query('select user_id, from_seq::int, seq::int from push_shown where subscription_id = $1', [
    subscriptionId,
  ])

describe('push over HTTP', () => {
  it('returns the public key to anybody with a token', async () => {
    expect(dataOf(await cluster.api(user()).get('/api/push/public-key'))).toEqual({ publicKey })
    expect((await cluster.api(null).get('/api/push/public-key')).status).toBe(401)
  })

  it('keeps one subscription per device, several per person', async () => {
    const api = cluster.api(user())
    const [phone, laptop] = [subscription(), subscription()]
    const saved = dataOf(await api.post<PushSubscription>('/api/push/subscriptions', phone))
    const again = await api.post<PushSubscription>('/api/push/subscriptions', phone)
    expect([again.status, dataOf(again)]).toEqual([201, saved])
    await api.post('/api/push/subscriptions', laptop)
    const listed = dataOf(await api.get<PushSubscription[]>('/api/push/subscriptions'))
    expect(listed.map(({ endpoint }) => endpoint).sort()).toEqual([phone.endpoint, laptop.endpoint].sort())
  })

  it('strips the padding that some clients add to keys', async () => {
    const device = subscription()
    const padded = { ...device, keys: { p256dh: `${device.keys.p256dh}=`, auth: `${device.keys.auth}==` } }
    dataOf(await cluster.api(user()).post('/api/push/subscriptions', padded))
    const stored = 'select p256dh, auth from push_subscriptions where endpoint = $1'
    expect((await cluster.sql.query(stored, [device.endpoint])).rows).toEqual([device.keys])
  })

  it('moves an endpoint to the person who registers it last', async () => {
    const former = user()
    const [before, after] = [cluster.api(former), cluster.api(user())]
    const device = subscription()
    const { id } = dataOf(await before.post<PushSubscription>('/api/push/subscriptions', device))
    const shown = { conversationId: randomUUID(), userId: former.id, subscriptionId: id, fromSeq: 1, seq: 1 }
    await recordShown(cluster.sql, [{ ...shown, digest: false }])
    await after.post('/api/push/subscriptions', device)
    expect(dataOf(await before.get('/api/push/subscriptions'))).toEqual([])
    expect(dataOf(await after.get('/api/push/subscriptions'))).toMatchObject([{ endpoint: device.endpoint }])
    // Nothing of the previous person's will be closed on it.
    expect((await shownOn(id)).rows).toEqual([])
  })

  it('removes one by id or endpoint, but nobody else’s', async () => {
    const [api, stranger] = [cluster.api(user()), cluster.api(user())]
    const [phone, laptop] = [subscription(), subscription()]
    const { id } = dataOf(await api.post<PushSubscription>('/api/push/subscriptions', phone))
    await api.post('/api/push/subscriptions', laptop)
    expect((await stranger.delete(`/api/push/subscriptions/${id}`)).status).toBe(404)
    expect((await stranger.delete('/api/push/subscriptions', { endpoint: laptop.endpoint })).status).toBe(404)
    expect((await api.delete(`/api/push/subscriptions/${id}`)).status).toBe(200)
    expect((await api.delete(`/api/push/subscriptions/${id}`)).status).toBe(404)
    // However its host is written: it is stored in normalised form.
    const endpoint = laptop.endpoint.replace('push.example', 'PUSH.example')
    expect((await api.delete('/api/push/subscriptions', { endpoint })).status).toBe(200)
    expect(dataOf(await api.get('/api/push/subscriptions'))).toEqual([])
  })

  it('removes devices registered with tokens that are then revoked', async () => {
    const [who, other] = [user(), user()]
    const [old, newer, others] = [subscription(), subscription(), subscription()]
    await cluster.api(who).post('/api/push/subscriptions', old)
    await cluster.api(other).post('/api/push/subscriptions', others)
    const revoke = (before?: string) =>
      cluster.service().post(`/api/users/${who.id}/revoke-tokens`, before === undefined ? undefined : { before })
    const listed = async (api: Api) =>
      dataOf(await api.get<PushSubscription[]>('/api/push/subscriptions')).map(({ endpoint }) => endpoint)
    dataOf(await revoke('2020-01-01T00:00:00Z'))
    expect(await listed(cluster.api(who))).toEqual([old.endpoint])
    dataOf(await revoke())
    // Issued in the next full second: one from this second may predate the revocation.
    const fresh = apiClient(cluster.url, cluster.token(who, { iat: Math.floor(Date.now() / 1_000) + 1 }))
    expect(await listed(fresh)).toEqual([])
    await fresh.post('/api/push/subscriptions', newer)
    dataOf(await revoke('2020-01-01T00:00:00Z'))
    expect(await listed(fresh)).toEqual([newer.endpoint])
    expect(dataOf(await cluster.api(other).get('/api/push/subscriptions'))).toMatchObject([
      { endpoint: others.endpoint },
    ])
  })

  it('keeps the twenty newest devices of a person', async () => {
    const api = cluster.api(user())
    const devices = Array.from({ length: 22 }, () => subscription())
    for (const device of devices) await api.post('/api/push/subscriptions', device)
    const listed = dataOf(await api.get<PushSubscription[]>('/api/push/subscriptions'))
    expect(listed.map(({ endpoint }) => endpoint).sort()).toEqual(
      devices
        .slice(2)
        .map(({ endpoint }) => endpoint)
        .sort(),
    )
  })

  it.each([
    ['plain http', { endpoint: 'http://push.example.com/1' }],
    ['loopback', { endpoint: 'https://127.0.0.1/1' }],
    ['loopback in other words', { endpoint: 'https://2130706433/1' }],
    ['loopback by name', { endpoint: 'https://localhost/1' }],
    ['a private address', { endpoint: 'https://192.168.1.1/1' }],
    ['the cloud’s own address', { endpoint: 'https://169.254.169.254/latest/meta-data' }],
    ['a mapped private address', { endpoint: 'https://[::ffff:10.0.0.1]/1' }],
    ['unique-local IPv6', { endpoint: 'https://[fd00::1]/1' }],
    ['a name without a domain', { endpoint: 'https://redis/1' }],
    ['an internal name', { endpoint: 'https://metadata.google.internal/1' }],
    ['credentials', { endpoint: 'https://a:b@push.example.com/1' }],
    ['no address', { endpoint: 'push' }],
    ['a long address', { endpoint: `https://push.example.com/${'a'.repeat(3_000)}` }],
    ['no keys', { keys: undefined }],
    ['a short secret', { keys: { ...subscription().keys, auth: 'AAAA' } }],
    ['no point', { keys: { ...subscription().keys, p256dh: `BA${'A'.repeat(85)}` } }],
    ['another length', { keys: { ...subscription().keys, p256dh: 'BAAA' } }],
  ])('refuses %s', async (_what, wrong) => {
    const answer = await cluster.api(user()).post('/api/push/subscriptions', { ...subscription(), ...wrong })
    expect([answer.status, errorOf(answer).code]).toEqual([400, 'VALIDATION_FAILED'])
  })

  it('stores preferences, and leaves omitted ones unchanged', async () => {
    const api = cluster.api(user())
    const read = async () => dataOf(await api.get('/api/push/preferences'))
    expect(await read()).toEqual({ showContent: true, quietHours: null })
    const quietHours = { start: '22:00', end: '07:00', timeZone: 'Asia/Dhaka' }
    await api.put('/api/push/preferences', { quietHours })
    await api.put('/api/push/preferences', { showContent: false })
    expect(await read()).toEqual({ showContent: false, quietHours })
    await api.put('/api/push/preferences', { quietHours: null })
    expect(await read()).toEqual({ showContent: false, quietHours: null })
    for (const wrong of [{ timeZone: 'Dhaka' }, { start: '24:00' }, { end: '22:00' }]) {
      const answer = await api.put('/api/push/preferences', { quietHours: { ...quietHours, ...wrong } })
      expect(errorOf(answer).code).toBe('VALIDATION_FAILED')
    }
  })

  it('stores two preferences set at the same time', async () => {
    const quietHours = { start: '22:00', end: '07:00', timeZone: 'Asia/Dhaka' }
    const both = Array.from({ length: 10 }, async () => {
      const api = cluster.api(user())
      await api.get('/api/users/me')
      await Promise.all([
        api.put('/api/push/preferences', { quietHours }),
        api.put('/api/push/preferences', { showContent: false }),
      ])
      return dataOf(await api.get('/api/push/preferences'))
    })
    expect(await Promise.all(both)).toEqual(both.map(() => ({ showContent: false, quietHours })))
  })

  it('mutes for members only', async () => {
    const [a, b] = [user(), user()]
    const { id } = await direct(cluster, a, b)
    const path = `/api/messages/conversations/${id}/mute`
    const until = '2999-01-01T00:00:00Z'
    const muted = { conversationId: id, mutedUntil: '2999-01-01T00:00:00.000000Z' }
    expect(dataOf(await cluster.api(a).put(path, { until }))).toEqual(muted)
    expect(dataOf(await cluster.api(a).get('/api/messages/mutes'))).toEqual([muted])
    expect(errorOf(await cluster.api(a).put(path, {})).code).toBe('VALIDATION_FAILED')
    expect(errorOf(await cluster.api(a).put(path, { until: 'soon' })).code).toBe('VALIDATION_FAILED')
    expect(errorOf(await cluster.api(user()).put(path, { until })).code).toBe('CONVERSATION_NOT_FOUND')
  })
})

describe('push that is not set up', () => {
  let off: Cluster
  beforeAll(async () => {
    off = await startCluster({ gateways: 0, workers: 0, edge: false })
  })
  afterAll(() => off?.[Symbol.asyncDispose]())

  it('is refused with its own code', async () => {
    const api = off.api(user())
    expect(errorOf(await api.get('/api/push/public-key')).code).toBe('PUSH_DISABLED')
    expect(errorOf(await api.post('/api/push/subscriptions', subscription())).code).toBe('PUSH_DISABLED')
  })
})

describe('what devices show', () => {
  it('is recorded for their owner, the newest only, and closed at once if read or left meanwhile', async () => {
    const [a, b] = [user(), user()]
    const { id: conversationId } = await direct(cluster, a, b)
    const subscribed = await cluster.api(b).post<PushSubscription>('/api/push/subscriptions', subscription())
    const { id: subscriptionId } = dataOf(subscribed)
    const told = (fromSeq: number, seq: number, who = b) =>
      recordShown(cluster.sql, [{ conversationId, userId: who.id, subscriptionId, fromSeq, seq, digest: false }])
    const closings = async () =>
      (await cluster.sql.query('delete from push_closings where conversation_id = $1', [conversationId])).rowCount
    const update = (what: string) =>
      cluster.sql.query(`update participants set ${what} where conversation_id = $1 and user_id = $2`, [
        conversationId,
        b.id,
      ])
    await told(1, 3)
    // A slower job of an earlier message, and one of the device’s previous owner.
    await told(1, 2)
    await told(1, 4, a)
    expect((await shownOn(subscriptionId)).rows).toEqual([{ user_id: b.id, from_seq: 1, seq: 3 }])
    expect(await closings()).toBe(0)
    await update('left_at = now()')
    expect(await closings()).toBe(1)
    await told(4, 4)
    expect(await closings()).toBe(1)
    await update('left_at = null, last_read_seq = 3')
    expect(await closings()).toBe(0)
    await told(4, 5)
    expect(await closings()).toBe(0)
    await update('last_read_seq = 5')
    expect(await closings()).toBe(1)
    await told(5, 5)
    expect(await closings()).toBe(1)
    // Anything newer than what was to be closed stays.
    await forgetShown(cluster.sql, { conversationId, userId: b.id }, subscriptionId, 4)
    expect((await shownOn(subscriptionId)).rows).toHaveLength(1)
    await forgetShown(cluster.sql, { conversationId, userId: b.id }, subscriptionId, 5)
    expect((await shownOn(subscriptionId)).rows).toEqual([])
  })

  it('after quiet hours covers what arrived in them and is unread, without muted conversations', async () => {
    const [a, b] = [user(), user()]
    const { id } = await direct(cluster, a, b)
    const path = `/api/messages/conversations/${id}`
    const message = dataOf(await cluster.api(a).post<Message>(`${path}/messages`, { content: 'Hello' }))
    const held = async (since = message.createdAt) =>
      (await listHeldConversations(cluster.sql, b.id, since)).map((one) => one.conversation_id)
    const mute = async (until: string) => dataOf(await cluster.api(b).put(`${path}/mute`, { until }))
    expect(await held()).toEqual([id])
    expect(await held(new Date(Date.parse(message.createdAt) + 1).toISOString())).toEqual([])
    await mute('2999-01-01T00:00:00Z')
    expect(await held()).toEqual([])
    await mute('2000-01-01T00:00:00Z')
    expect(await held()).toEqual([id])
    dataOf(await cluster.api(b).post(`${path}/read`, { messageId: message.id }))
    expect(await held()).toEqual([])
  })
})
