import { createHmac } from 'node:crypto'
import { once } from 'node:events'
import { type IncomingMessage, request } from 'node:http'
import { createConnection } from 'node:net'
import type { Message } from '@parley/protocol'
import {
  type Cluster,
  ConnectError,
  collect,
  connect,
  dataOf,
  disconnected,
  emit,
  group,
  next,
  signToken,
  startCluster,
  user,
} from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, onTestFinished } from 'vitest'

let cluster: Cluster
const open: Socket[] = []
beforeAll(async () => {
  cluster = await startCluster({ gateways: 3 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())
afterEach(() => {
  for (const socket of open.splice(0)) socket.disconnect()
})

/** Resolves when the connection has been upgraded to WebSocket. */
function upgraded({ io: { engine } }: Socket): Promise<void> {
  if (engine.transport.name === 'websocket') return Promise.resolve()
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`still ${engine.transport.name} after 10 s`)), 10_000)
    engine.once('upgrade', () => {
      clearTimeout(late)
      resolve()
    })
  })
}

describe('through the edge to three gateways', () => {
  /** Thirty people in one group connect at once; a message and typing then reach all of them. */
  async function chatOfThirty(options: Parameters<Cluster['socket']>[1], ready: (socket: Socket) => Promise<void>) {
    const people = Array.from({ length: 30 }, (_, i) => user(`Person ${i}`))
    const [owner, ...members] = people
    if (owner === undefined) throw new RangeError('there are thirty')
    const { id } = await group(cluster, owner, members)
    const sockets = await Promise.all(people.map((who) => cluster.socket(who, { timeout: 10_000, ...options })))
    open.push(...sockets)
    await Promise.all(sockets.map(ready))
    const [first, ...others] = sockets
    if (first === undefined) throw new RangeError('there are thirty')
    const typing = others.map((socket) => next(socket, 'userTyping', undefined, { timeoutMs: 10_000 }))
    await emit(first, 'typing', { conversationId: id })
    await Promise.all(typing)
    const messages = sockets.map((socket) => collect(socket, 'newMessage', sockets.length, { timeoutMs: 15_000 }))
    const sent = sockets.map((socket) => emit(socket, 'sendMessage', { conversationId: id, content: 'Hello' }))
    for (const ack of await Promise.all(sent)) expect(ack).toMatchObject({ success: true })
    const seqs = sockets.map((_, i) => i + 1)
    for (const received of await Promise.all(messages)) expect(received.map(({ seq }) => seq)).toEqual(seqs)
    return sockets
  }

  it('the default client polls first, without cookies, and upgrades: thirty out of thirty', async () => {
    const sockets = await chatOfThirty({}, upgraded)
    expect(sockets.map(({ io }) => io.engine.transport.name)).toEqual(sockets.map(() => 'websocket'))
  })

  it('a client that can only poll works like any other', async () => {
    const sockets = await chatOfThirty({ transports: ['polling'] }, async () => undefined)
    expect(sockets.map(({ io }) => io.engine.transport.name)).toEqual(sockets.map(() => 'polling'))
  })

  it('the handshake’s response has the session id in a cookie, for the balancer', async () => {
    const answer = await fetch(`${cluster.url}/socket.io/?EIO=4&transport=polling`)
    const { sid } = JSON.parse((await answer.text()).slice(1)) as { sid: string }
    expect(answer.headers.get('set-cookie')).toMatch(new RegExp(`^io=${sid};`))
  })
})

it('the response to an upgrade and the first packet arrive together', async () => {
  const { hostname, port } = new URL(cluster.gateways[0]?.url ?? '')
  const tcp = createConnection({ host: hostname, port: Number(port) })
  onTestFinished(() => void tcp.destroy())
  tcp.write(
    'GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n' +
      'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  const [piece]: Buffer[] = await once(tcp, 'data')
  expect(piece?.toString()).toMatch(/^HTTP\/1\.1 101 .*"sid":/s)
})

it('a poll that offers another protocol, as those of Java and curl do, is answered as if it did not', async () => {
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' }
  const poll = request(`${cluster.gateways[0]?.url}/socket.io/?EIO=4&transport=polling`, { headers }).end()
  const [answer]: IncomingMessage[] = await once(poll, 'response')
  expect(answer?.statusCode).toBe(200)
  expect(await answer?.toArray().then((chunks) => chunks.join(''))).toMatch(/^0\{"sid":/)
})

describe('tokens', () => {
  const refused = (options: Parameters<typeof connect>[1]) =>
    connect(cluster.url, { transports: ['websocket'], reconnection: false, ...options }).then(
      (socket) => {
        open.push(socket)
        return 'connected'
      },
      (error: unknown) => error,
    )
  const now = () => Math.floor(Date.now() / 1_000)
  const unsigned = (header: object) =>
    [header, { sub: 'mallory', exp: now() + 60 }]
      .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
      .join('.')

  it.each<[string, string, () => Record<string, unknown>]>([
    ['no auth at all', 'TOKEN_MISSING', () => ({})],
    ['an empty token', 'TOKEN_MISSING', () => ({ token: '' })],
    ['null', 'TOKEN_MISSING', () => ({ token: null })],
    ['a number', 'TOKEN_INVALID', () => ({ token: 1 })],
    ['an object', 'TOKEN_INVALID', () => ({ token: { toString: 'x' } })],
    ['no JWT', 'TOKEN_INVALID', () => ({ token: 'not.a.token' })],
    ['another secret', 'TOKEN_INVALID', () => ({ token: signToken('mallory', 'x'.repeat(43)) })],
    ['alg none', 'TOKEN_INVALID', () => ({ token: `${unsigned({ alg: 'none', typ: 'JWT' })}.` })],
    [
      'another algorithm',
      'TOKEN_INVALID',
      () => {
        const parts = unsigned({ alg: 'HS512', typ: 'JWT' })
        const signature = createHmac('sha512', cluster.jwtSecret).update(parts).digest('base64url')
        return { token: `${parts}.${signature}` }
      },
    ],
    ['no sub', 'TOKEN_INVALID', () => ({ token: cluster.token('x', { sub: undefined }) })],
    ['a sub with NUL', 'TOKEN_INVALID', () => ({ token: cluster.token('a\0b') })],
    ['a sub too long', 'TOKEN_INVALID', () => ({ token: cluster.token('x'.repeat(129)) })],
    ['not valid yet', 'TOKEN_INVALID', () => ({ token: cluster.token('x', { nbf: now() + 600 }) })],
    [
      'an expired token',
      'TOKEN_EXPIRED',
      () => ({ token: cluster.token('x', { iat: now() - 7_200, exp: now() - 600 }) }),
    ],
    ['a token that ended a second ago', 'TOKEN_EXPIRED', () => ({ token: cluster.token('x', { exp: now() - 1 }) })],
    ['a service’s token', 'FORBIDDEN', () => ({ token: cluster.token('svc', { role: 'service' }) })],
  ])('%s: connect_error with %s', async (_what, code, auth) => {
    const error = await refused({ auth: auth() })
    expect(error).toBeInstanceOf(ConnectError)
    expect(error).toMatchObject({ code, message: expect.stringMatching(/^[A-Z].+\.$/) })
  })

  it('a socket that has not connected receives nothing and can do nothing', async () => {
    const [owner, member] = [user('Owner'), user('Member')]
    const { id } = await group(cluster, owner, [member])
    const error = await refused({ auth: { token: `${cluster.token(owner)}x` } })
    expect(error).toMatchObject({ code: 'TOKEN_INVALID' })
    const { body } = await cluster.api(member).get<Message[]>(`/api/messages/conversations/${id}/messages`)
    expect(body).toMatchObject({ data: [], meta: { total: 0 } })
  })

  it('a socket lives as long as its token: at exp it gets an exception, and its transport is closed', async () => {
    const [owner, member] = [user('Owner'), user('Member')]
    const { id: conversationId } = await group(cluster, owner, [member])
    const socket = await cluster.socket(owner, { reconnection: false })
    const told = next(socket, 'exception', ({ error }) => error.code === 'TOKEN_EXPIRED')
    const gone = disconnected(socket)
    expect(dataOf(await emit<Message>(socket, 'sendMessage', { conversationId, content: 'in time' }))).toMatchObject({
      seq: 1,
    })
    // Now, and not when it connects: nothing has to be done before it ends.
    dataOf(await emit(socket, 'renewToken', { token: cluster.token(owner, { exp: now() + 1 }) }))
    expect(await told).toMatchObject({ success: false, error: { code: 'TOKEN_EXPIRED' } })
    // Not "io server disconnect", after which a stock client would not reconnect with its new token.
    expect(await gone).toBe('transport close')
    expect(await refused({ auth: { token: cluster.token(owner, { exp: now() - 60 }) } })).toMatchObject({
      code: 'TOKEN_EXPIRED',
    })
  })
})
