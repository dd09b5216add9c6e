import { operations } from '@parley/docs'
import { type ClientEventName, type Conversation, type Message, serverEvents } from '@parley/protocol'
import { type Cluster, dataOf, emit, errorOf, next, startCluster, user, vapidSettings } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { ask, operationOf } from './asking.ts'
import { form, PDF, post } from './attachments-bed.ts'
import { problemsOf, problemsOfBody, problemsOfEvent } from './contract.ts'
import { CONVERSATIONS, type Example, examplesOf, makeWorld, type World } from './examples.ts'

/*
 * Runs every operation of the OpenAPI document on the real server, and sends every event of the AsyncAPI document both ways, and
 * checks all answers and payloads against the documents.
 */

let cluster: Cluster
let world: World
let examples: Record<string, Example>
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, env: { ...vapidSettings(), SOCKET_EVENTS_PER_10S: '40' } })
  world = await makeWorld(cluster)
  examples = examplesOf(world)
  // A search without results would not show what a hit looks like.
  const found = async () => dataOf(await cluster.api(world.ahmed).get<unknown[]>('/api/messages/search?query=example'))
  await vi.waitUntil(async () => (await found()).length === 1, { timeout: 30_000, interval: 100 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('has an example of every operation', () => {
  expect(Object.keys(examples).sort()).toEqual(operations.map(({ id }) => id).sort())
})

// In the order of the examples, not of the document, because some undo others.
it.each(Object.keys(examplesOf({ pair: {}, team: {}, ...nobody() } as World)))(
  '%s is answered as it is described',
  async (id) => {
    const operation = operationOf(id)
    const example = examples[id] ?? {}
    if (example.body !== undefined) expect(problemsOfBody(operation.method, operation.path, example.body)).toEqual([])
    const { status, headers, body } = await ask(cluster, world, operation, example)
    expect(Object.keys(operation.answers).map(Number), JSON.stringify(body)).toContain(status)
    expect(problemsOf(operation.method, operation.path.replaceAll(/\{\w+\}/g, 'x'), status, body)).toEqual([])
    if (operation.access === 'person') expect(headers.get('x-ratelimit-limit')).not.toBeNull()
  },
)

/** Enough to read the names of the examples without a cluster. */
function nobody() {
  const none = { id: '' }
  return { ahmed: none, fatima: none, newcomer: none, message: none, upload: none, unwanted: none, subscription: none }
}

describe('other documented variants', () => {
  it('a new conversation, and a message sent as a form', async () => {
    const body = { type: 'GROUP', participantIds: [world.fatima.id] }
    const created = await cluster.api(world.ahmed).post<Conversation>(CONVERSATIONS, body)
    expect(problemsOf('POST', CONVERSATIONS, created.status, created.body)).toEqual([])
    const { id } = dataOf(created)
    const sent = await post(cluster, world.ahmed, id, form({ content: 'With a file' }, [['a.pdf', PDF]]))
    expect([sent.status, problemsOf('POST', `${CONVERSATIONS}/${id}/messages`, 201, sent.body)]).toEqual([201, []])
    const page = await cluster.api(world.fatima).get(`${CONVERSATIONS}/${id}/messages`)
    expect(problemsOf('GET', `${CONVERSATIONS}/${id}/messages`, page.status, page.body)).toEqual([])
  })

  it('an undocumented field, status or route would be detected', () => {
    const known = { id: 'u', fullName: 'U', profilePhoto: null }
    const me = (data: unknown) => problemsOf('GET', '/api/users/me', 200, { success: true, data })
    expect(me(known)).toEqual([])
    expect(me({ ...known, passwordHash: 'x' })).toEqual([expect.stringContaining('passwordHash')])
    expect(me({ id: 'u' })).not.toEqual([])
    expect(problemsOf('GET', '/api/users/me', 418, {})).toEqual([expect.stringContaining('418')])
    expect(problemsOf('GET', '/api/secret', 200, {})).toEqual([expect.stringContaining('not described')])
    const failed = { success: false, message: 'x', error: { code: 'GROUP_FULL', message: 'x' } }
    expect(problemsOf('GET', '/api/users/me', 401, failed)).not.toEqual([])
  })
})

describe('the gateway', () => {
  /** Sent only after seconds or an outage; the gateway’s presence.test.ts and resync.test.ts cover them. */
  const ELSEWHERE = ['userOffline', 'resync']

  it('sends and answers every event as documented', async () => {
    const [ines, jon, late] = [user('Ines'), user('Jon'), user('Late')]
    await cluster.register(ines, jon, late)
    const [a, b] = await Promise.all([cluster.socket(ines), cluster.socket(jon)])
    const heard = new Set<string>()
    const problems: string[] = []
    for (const socket of [a, b]) {
      socket.onAny((name: string, payload: unknown) => {
        heard.add(name)
        problems.push(...problemsOfEvent(name, payload))
      })
    }
    const ask = async <T>(socket: Awaited<ReturnType<Cluster['socket']>>, name: ClientEventName, payload?: unknown) => {
      const answer = await emit<T>(socket, name, payload)
      problems.push(...(payload === undefined ? [] : problemsOfEvent(name, payload)))
      problems.push(...problemsOfEvent(`${name}Ack`, answer))
      return answer
    }
    const body = { type: 'GROUP', participantIds: [jon.id, late.id] }
    const [created] = await Promise.all([
      cluster.api(ines).post<Conversation>(CONVERSATIONS, body),
      next(b, 'conversationCreated'),
    ])
    const { id: conversationId } = dataOf(created)
    await Promise.all([next(a, 'userOnline'), cluster.socket(late)])
    const sent = await ask<Message>(a, 'sendMessage', { conversationId, content: 'Hello' })
    const { id: messageId } = dataOf(sent)
    await Promise.all([next(a, 'messageRead'), ask(b, 'markAsRead', { conversationId, messageId })])
    await Promise.all([next(a, 'userTyping'), ask(b, 'typing', { conversationId })])
    await Promise.all([next(a, 'userStoppedTyping'), ask(b, 'stopTyping', { conversationId })])
    await Promise.all([next(a, 'onlineUsers'), ask(a, 'getOnlineUsers')])
    await ask(a, 'setVisibility', { visible: false })
    await ask(a, 'renewToken', { token: cluster.token(ines) })
    await ask(a, 'sync', { conversations: {} })
    const rename = cluster.api(ines).patch(`${CONVERSATIONS}/${conversationId}`, { name: 'Team' })
    await Promise.all([next(b, 'conversationUpdated'), rename])
    // Failures in an ack and without one; retryable ones say when to retry.
    expect(errorOf(await ask(a, 'typing', { conversationId: crypto.randomUUID() })).code).toBe('CONVERSATION_NOT_FOUND')
    const limited = next(a, 'exception', ({ error }) => error.code === 'RATE_LIMITED')
    for (let n = 0; n < 100; n++) a.emit('setVisibility', {})
    expect((await limited).error.retryAfterMs).toBeGreaterThan(0)
    expect(problems).toEqual([])
    expect([...heard, ...ELSEWHERE].sort()).toEqual(Object.keys(serverEvents).sort())
  })
})
