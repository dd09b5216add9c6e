import { once } from 'node:events'
import { Agent, type IncomingMessage, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { type Conversation, LIMITS, type Message } from '@parley/protocol'
import { type Cluster, dataOf, direct, group, startCluster } from '@parley/testkit'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  ahmed,
  type Call,
  CONVERSATIONS,
  CREATION,
  fatima,
  READING,
  SHAPES,
  stranger,
  TOKENS,
  WRITING,
} from './bad-cases.ts'
import { problemsOf } from './contract.ts'

/*
 * Any invalid request gets the right status and code in the envelope, and does not harm the process.
 */

const SECRET = `secret-${crypto.randomUUID()}`
let cluster: Cluster
let pair: Conversation
let team: Conversation
let message: Message
let pid: number | undefined

beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
  pid = cluster.apis[0]?.pid
  pair = await direct(cluster, ahmed, fatima)
  team = await group(cluster, ahmed, [fatima], 'Team')
  await cluster.register(stranger)
  const path = `${CONVERSATIONS}/${pair.id}/messages`
  message = dataOf(await cluster.api(ahmed).post<Message>(path, { content: SECRET }))
})
afterAll(() => cluster?.[Symbol.asyncDispose]())
afterEach(() => {
  expect(cluster.apis[0]).toMatchObject({ running: true, pid })
})

/** Sends an invalid request. `{pair}` and `{team}` in the path stand for the ids. */
async function call(method: string, path: string, { body, headers = {} }: Call = {}) {
  const address = cluster.url + path.replaceAll('{pair}', pair.id).replaceAll('{team}', team.id)
  const raw = typeof body === 'string' || body instanceof Uint8Array
  const answer = await fetch(address, {
    method,
    headers: {
      authorization: `Bearer ${cluster.token(ahmed)}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
  })
  const text = await answer.text()
  expect(answer.headers.get('content-type')).toMatch(/^application\/json/)
  expect(text).not.toMatch(/node_modules|\bat .+:\d+:\d+|select |insert |pg_/i)
  const json = JSON.parse(text)
  expect(problemsOf(method, address, answer.status, json)).toEqual([])
  return { status: answer.status, headers: answer.headers, body: json }
}

const failure = (code: string) => ({
  success: false,
  message: expect.stringMatching(/^[A-Z].+\.?$/),
  error: expect.objectContaining({ code, message: expect.any(String) }),
})

describe.each([
  ['tokens', TOKENS],
  ['shapes', SHAPES],
  ['creating a conversation', CREATION],
  ['reading', READING],
  ['writing', WRITING],
])('%s', (_name, cases) => {
  it.each(cases)('%s: %s', async (_what, method, path, sent, status, code) => {
    const answer = await call(method, path, sent)
    expect([answer.status, answer.body.error?.code]).toEqual([status, code])
    expect(answer.body).toEqual(failure(code))
    expect(answer.headers.get('www-authenticate')).toBe(status === 401 ? 'Bearer' : null)
    if (code === 'VALIDATION_FAILED' && !answer.body.message.includes('request URL')) {
      const issues = expect.arrayContaining([{ path: expect.any(String), message: expect.any(String) }])
      expect(answer.body.error.details).toEqual(issues)
    }
  })
})

it('none of this was stored', async () => {
  const page = await cluster.api(fatima).get<Message[]>(`${CONVERSATIONS}/${pair.id}/messages`)
  expect(dataOf(page)).toEqual([message])
  expect(dataOf(await cluster.api(fatima).get(`${CONVERSATIONS}/${team.id}`))).toMatchObject({
    name: 'Team',
    participantCount: 2,
    lastSeq: 0,
  })
})

it('the refusal of a body still being sent arrives, and the connection can be reused', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  // Bypasses the edge, which would tolerate a pod that closes too early.
  const ports = new Set<number | undefined>()
  const send = async (headers: Record<string, string>, bytes: number) => {
    const outgoing = request(`${cluster.apis[0]?.url}${CONVERSATIONS}`, { method: 'POST', agent, headers })
    outgoing.end(Buffer.alloc(bytes, 'x'))
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    const code = JSON.parse(await text(answer)).error.code
    ports.add(outgoing.socket?.localPort)
    return [answer.statusCode, code]
  }
  const json = { authorization: `Bearer ${cluster.token(ahmed)}`, 'content-type': 'application/json' }
  const size = 8 * 1_048_576
  expect(await send(json, size)).toEqual([413, 'PAYLOAD_TOO_LARGE'])
  expect(await send({ ...json, 'transfer-encoding': 'chunked' }, size)).toEqual([413, 'PAYLOAD_TOO_LARGE'])
  expect(await send({ ...json, 'content-type': 'image/png' }, size)).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
  expect(await send({ 'content-type': 'application/json' }, size)).toEqual([401, 'TOKEN_MISSING'])
  expect(await send(json, 3)).toEqual([400, 'MALFORMED_JSON'])
  expect(ports.size).toBe(1)
  agent.destroy()
})

it('a member without the right: 403', async () => {
  const removing = await cluster.api(fatima).delete(`${CONVERSATIONS}/${team.id}/participants/${ahmed.id}`)
  expect(removing).toMatchObject({ status: 403, body: failure('FORBIDDEN') })
})

it('unusual but allowed input comes back unchanged', async () => {
  const path = `${CONVERSATIONS}/${pair.id}/messages`
  for (const content of [
    `'; drop table messages; --`,
    '<b>&amp;</b>',
    '\u0001\u202e👩‍👩‍👧',
    'ü'.repeat(LIMITS.contentLength),
  ]) {
    const stored = dataOf(await cluster.api(ahmed).post<Message>(path, { content, more: { fields: 1 }, seq: 99 }))
    expect(stored.content).toBe(content)
  }
  const name = 'x'.repeat(LIMITS.nameLength)
  const renamed = await cluster.api(ahmed).patch<Conversation>(`${CONVERSATIONS}/${team.id}`, { name })
  expect(dataOf(renamed).name).toBe(name)
  expect(
    dataOf(await cluster.api(ahmed).get(`${CONVERSATIONS}?search=${encodeURIComponent("%_\\'; drop table users")}`)),
  ).toEqual([])
})

it('after all this the logs contain no content, token or secret', () => {
  const logs = cluster.logs()
  expect(logs).toContain('is ready')
  for (const hidden of [SECRET, cluster.jwtSecret, cluster.token(ahmed).split('.')[1] ?? '']) {
    expect(logs).not.toContain(hidden)
  }
  // A client's mistakes are not logged as errors.
  expect(logs).not.toMatch(/"level":(50|60)/)
})
