import type { Conversation, Message } from '@parley/protocol'
import { type Cluster, connect, dataOf, direct, emit, errorOf, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { eventually, idle, type PushSetting, startPushSetting } from './push-setting.ts'

/*
 * What the three kinds of processes log, at the most verbose level, while people write, search, fail and get pushes.
 */

const MARK = 'marker-that-no-log-may-hold'
const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
let setting: PushSetting
let cluster: Cluster
let conversation: Conversation

interface Line {
  level: number
  name: string
  msg: string
  requestId?: string
  connectionId?: string
  userId?: string
  [key: string]: unknown
}

/** The log lines of a kind of process, and how many were not JSON. */
function linesOf(name: string): Line[] {
  const texts = cluster
    .logs()
    .split('\n')
    .filter((line) => line.startsWith(`${name}-`))
  return texts.map((line) => JSON.parse(line.slice(line.indexOf('| ') + 2)) as Line)
}

beforeAll(async () => {
  setting = await startPushSetting({
    gateways: 1,
    env: { LOG_LEVEL: 'trace', PUSH_BURST_MS: '0', PUSH_GATHER_MS: '50' },
  })
  cluster = setting.cluster
  conversation = await direct(cluster, ahmed, fatima)
})
afterAll(() => setting?.[Symbol.asyncDispose]())

const path = () => `/api/messages/conversations/${conversation.id}/messages`

async function request(url: string, init: RequestInit = {}): Promise<Response> {
  return fetch(new URL(url, cluster.url), {
    ...init,
    headers: { authorization: `Bearer ${cluster.token(ahmed)}`, ...init.headers },
  })
}

describe('logs contain nothing private', () => {
  it('whatever people do and whatever fails', async () => {
    const device = await setting.device(fatima)
    // The push service quotes the endpoint in its refusal, as some do.
    setting.service.answer(device, {
      status: 403,
      body: `no such thing as ${device.subscription.endpoint}`,
    })
    const socket = await cluster.socket(ahmed, { transports: ['websocket'] })
    const send = { conversationId: conversation.id, content: `${MARK} in a message` }
    dataOf(await emit<Message>(socket, 'sendMessage', send))
    errorOf(await emit(socket, 'sendMessage', { ...send, content: [MARK] }))
    errorOf(await emit(socket, `${MARK} as an event`, send))
    errorOf(await emit(socket, 'renewToken', { token: `${MARK}.as.token` }))
    const form = new FormData()
    form.append('content', `${MARK} with a file`)
    form.append('file', new Blob([MARK]), `${MARK}.txt`)
    expect((await request(path(), { method: 'POST', body: form })).status).toBe(201)
    expect((await request(`/api/messages/search?query=${MARK}`)).status).toBe(200)
    expect((await request(path(), { method: 'POST', body: `{"content": "${MARK}` })).status).toBeGreaterThanOrEqual(400)
    expect((await request('/api/users/me', { headers: { authorization: `Bearer ${MARK}` } })).status).toBe(401)
    await expect(connect(cluster.url, { auth: { token: MARK }, transports: ['websocket'] })).rejects.toThrow()
    // The driver's error for a failed statement contains its parameters.
    await cluster.sql.query('alter table messages rename column content to gone')
    try {
      errorOf(await emit(socket, 'sendMessage', { ...send, content: `${MARK} in a failing statement` }))
      expect((await request(path())).status).toBe(500)
    } finally {
      await cluster.sql.query('alter table messages rename column gone to content')
    }
    await idle(setting)
    await setting.send(ahmed, conversation, `${MARK} that is pushed`)
    await eventually('pushed to', async () => setting.service.pushes.length > 1)
    await eventually('refusal logged', async () => cluster.logs().includes('refuses our pushes'))
    socket.disconnect()
    await eventually('disconnect logged', async () => linesOf('gateway').some(({ msg }) => msg === 'disconnected'))

    const logs = cluster.logs()
    const token = cluster.token(ahmed).split('.')
    const secrets = [
      MARK,
      cluster.jwtSecret,
      token[1] ?? MARK,
      device.id,
      device.subscription.keys.auth,
      device.subscription.keys.p256dh,
    ]
    for (const secret of secrets) expect(logs.split('\n').filter((line) => line.includes(secret))).toEqual([])
    for (const name of ['api', 'gateway', 'worker']) expect(linesOf(name).length).toBeGreaterThan(0)
  })
})

describe('one id throughout', () => {
  it('of a request: its header, its error and its lines', async () => {
    const answer = await request(`${path()}?limit=x`, { headers: { 'x-request-id': 'edge-42.a' } })
    expect(answer.status).toBe(400)
    expect(answer.headers.get('x-request-id')).toBe('edge-42.a')
    expect(await answer.json()).toMatchObject({ error: { code: 'VALIDATION_FAILED', requestId: 'edge-42.a' } })
    const mine = () => linesOf('api').filter(({ requestId }) => requestId === 'edge-42.a')
    await eventually('the line', async () => mine().length > 0)
    expect(mine()[0]).toMatchObject({
      msg: 'request',
      method: 'GET',
      route: '/api/messages/conversations/:conversationId/messages',
      status: 400,
      code: 'VALIDATION_FAILED',
      userId: ahmed.id,
    })
  })

  it.each(['', 'x'.repeat(129), 'a b', 'a"b{}'])('an id that is not safe to log is replaced: %j', async (id) => {
    const answer = await request('/api/users/me', { headers: { 'x-request-id': id } })
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/)
  })

  it('also for unknown routes, and without a token', async () => {
    for (const url of ['/api/nothing', '/api/users/me']) {
      const answer = await fetch(new URL(url, cluster.url))
      const { error } = (await answer.json()) as { error: { requestId: string } }
      expect(error.requestId).toBe(answer.headers.get('x-request-id'))
      expect(error.requestId).toMatch(/^[0-9a-f-]{36}$/)
    }
  })

  it('of a socket: every line has its id and its person', async () => {
    const socket = await cluster.socket(fatima, { transports: ['websocket'] })
    const { id } = socket
    errorOf(await emit(socket, 'sendMessage', {}))
    socket.disconnect()
    const mine = () => linesOf('gateway').filter(({ connectionId }) => connectionId === id)
    await eventually('disconnect', async () => mine().some(({ msg }) => msg === 'disconnected'))
    expect(mine().map(({ msg }) => msg)).toEqual(['connected', 'event', 'an event was refused', 'disconnected'])
    for (const line of mine()) expect(line.userId).toBe(fatima.id)
    expect(mine()[2]).toMatchObject({ event: 'sendMessage', code: 'VALIDATION_FAILED' })
  })
})
