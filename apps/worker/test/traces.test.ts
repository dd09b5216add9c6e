import { randomBytes } from 'node:crypto'
import type { Conversation, Message } from '@parley/protocol'
import {
  type Cluster,
  dataOf,
  direct,
  emit,
  next,
  type ReceivedSpan,
  startTraceReceiver,
  type TraceReceiver,
  user,
} from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type PushSetting, startPushSetting } from './push-setting.ts'

/*
 * One message is one trace, from its request or event to the push service: across two gateways, the api and a worker, each in its
 * own process, into a collector.
 */

const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
let receiver: TraceReceiver
let setting: PushSetting
let conversation: Conversation
let sender: Awaited<ReturnType<Cluster['socket']>>
let far: typeof sender

beforeAll(async () => {
  receiver = await startTraceReceiver()
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'x-collector-key=a%20key',
    PUSH_BURST_MS: '0',
    PUSH_GATHER_MS: '50',
  }
  setting = await startPushSetting({ gateways: 2, env })
  const { cluster } = setting
  conversation = await direct(cluster, ahmed, fatima)
  await setting.device(fatima)
  sender = await cluster.socket(ahmed, { gateway: 0, transports: ['websocket'] })
  far = await cluster.socket(fatima, { gateway: 1, transports: ['websocket'] })
  // Connected, but in the background, so still notified.
  dataOf(await emit(far, 'setVisibility', { visible: false }))
})
afterAll(async () => {
  await setting?.[Symbol.asyncDispose]()
  await receiver?.[Symbol.asyncDispose]()
})

/** Waits for this many spans of a trace, in any order, and returns them as `service: name < parent's name`. */
async function wholeTrace(traceId: string, count: number): Promise<{ spans: ReceivedSpan[]; shape: string[] }> {
  const all = await receiver.until((spans) => spans.filter((span) => span.traceId === traceId).length >= count)
  const spans = all.filter((span) => span.traceId === traceId)
  const nameOf = new Map(spans.map(({ spanId, name }) => [spanId, name]))
  const shape = spans.map(
    ({ service, name, parentSpanId }) => `${service}: ${name} < ${nameOf.get(parentSpanId ?? '')}`,
  )
  return { spans, shape: shape.sort() }
}

const AFTER_PUBLISH = [
  'parley-gateway: deliver message < publish message',
  'parley-gateway: deliver message < publish message',
  'parley-worker: process message < store message',
  'parley-worker: push message < process message',
  'parley-worker: send push < push message',
]

it('a message over a socket is one trace, to the other gateway and to the push service', async () => {
  const arrived = next(far, 'newMessage', ({ content }) => content === 'over a socket')
  dataOf(await emit<Message>(sender, 'sendMessage', { conversationId: conversation.id, content: 'over a socket' }))
  await arrived
  const [root] = (await receiver.until((spans) => spans.some(({ name }) => name === 'event sendMessage'))).filter(
    ({ name }) => name === 'event sendMessage',
  )
  const expected = [
    'parley-gateway: event sendMessage < undefined',
    'parley-gateway: store message < event sendMessage',
    'parley-gateway: publish message < store message',
    ...AFTER_PUBLISH,
  ]
  const { spans, shape } = await wholeTrace(root?.traceId ?? '', expected.length)
  expect(shape).toEqual(expected.sort())
  expect(new Set(spans.filter(({ name }) => name === 'deliver message').map(({ instance }) => instance)).size).toBe(2)
  // The batches that the message shared with others are separate traces, linked in both directions.
  const own = new Set(spans.map(({ spanId }) => spanId))
  const batchesOf = (all: readonly ReceivedSpan[]) =>
    all.filter(({ links }) => links.some(({ spanId }) => own.has(spanId)))
  const batches = batchesOf(await receiver.until((all) => batchesOf(all).length >= 2))
  expect(batches.map(({ name }) => name).sort()).toEqual(['commit batch', 'drain outbox'])
  for (const batch of batches) {
    expect(spans.some(({ links }) => links.some(({ spanId }) => spanId === batch.spanId))).toBe(true)
  }
})

it('a message over HTTP continues the trace of its request', async () => {
  const traceId = randomBytes(16).toString('hex')
  const parent = randomBytes(8).toString('hex')
  const { cluster } = setting
  const arrived = next(far, 'newMessage', ({ content }) => content === 'over HTTP')
  const answer = await fetch(`${cluster.url}/api/messages/conversations/${conversation.id}/messages`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${cluster.token(ahmed)}`,
      'content-type': 'application/json',
      traceparent: `00-${traceId}-${parent}-01`,
    },
    body: JSON.stringify({ content: 'over HTTP' }),
  })
  expect(answer.status).toBe(201)
  await arrived
  const request = 'POST /api/messages/conversations/:conversationId/messages'
  const expected = [
    `parley-api: ${request} < undefined`,
    `parley-api: store message < ${request}`,
    'parley-api: publish message < store message',
    ...AFTER_PUBLISH,
  ]
  const { spans, shape } = await wholeTrace(traceId, expected.length)
  expect(shape).toEqual(expected.sort())
  const root = spans.find(({ name }) => name === request)
  expect(root).toMatchObject({ parentSpanId: parent, kind: 2, attributes: { 'http.response.status_code': 201 } })
  expect(root?.attributes['parley.request.id']).toBe(answer.headers.get('x-request-id'))
})

it('does not trace a request whose caller says that it is not sampled', async () => {
  const traceId = randomBytes(16).toString('hex')
  const headers = {
    authorization: `Bearer ${setting.cluster.token(ahmed)}`,
    traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-00`,
  }
  expect((await fetch(`${setting.cluster.url}/api/users/me`, { headers })).status).toBe(200)
  const after = dataOf(await setting.cluster.api(ahmed).get('/api/users/me'))
  expect(after).toBeDefined()
  await receiver.until((spans) => spans.some(({ name }) => name === 'GET /api/users/me'))
  expect(receiver.spans.filter((span) => span.traceId === traceId)).toEqual([])
})

it('a failure is marked by its code; neither clients nor spans get more than they should', async () => {
  const answer = await emit(sender, 'sendMessage', { conversationId: conversation.id, content: '' })
  expect(answer.success).toBe(false)
  const isFailed = ({ name, status }: ReceivedSpan) => name === 'event sendMessage' && status === 2
  const failed = (await receiver.until((spans) => spans.some(isFailed))).find(isFailed)
  expect(failed?.attributes['error.type']).toBe('VALIDATION_FAILED')
  const arrived = next(far, 'newMessage')
  await setting.send(ahmed, conversation, 'nothing of this')
  expect(JSON.stringify(await arrived)).not.toContain('trace')
  expect(receiver.bodies.join()).not.toMatch(/over a socket|over HTTP|nothing of this|Ahmed/)
  expect(receiver.headers[0]?.['x-collector-key']).toBe('a key')
})
