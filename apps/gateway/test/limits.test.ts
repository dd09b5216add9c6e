import { execFile } from 'node:child_process'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import type { Message, User } from '@parley/protocol'
import {
  type Cluster,
  collect,
  connect,
  dataOf,
  emit,
  group,
  type Pod,
  type Reply,
  startCluster,
  user,
} from '@parley/testkit'
import type { Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { GatewayLimits } from '../src/limits.ts'

/* The limits of one client: events, events in flight, connections, and unread bytes. */

const run = promisify(execFile)

async function memoryMb({ pid }: Pod): Promise<number> {
  return Number((await run('ps', ['-o', 'rss=', '-p', String(pid)])).stdout) / 1_024
}

function codes(answers: Reply<unknown>[]): string[] {
  return answers.map((answer) => (answer.success ? 'ok' : answer.error.code))
}

/** Each gateway has one low limit; the last one has the default limits. */
const LIMITS: Record<string, string>[] = [
  { SOCKET_EVENTS_PER_10S: '20' },
  { SOCKET_EVENTS_IN_FLIGHT: '5' },
  { HANDSHAKES_PER_ADDRESS_PER_10S: '10', TRUSTED_PROXIES: '0' },
  {},
]
const [FEW_EVENTS, FEW_AT_A_TIME, FEW_CONNECTIONS, USUAL] = [0, 1, 2, 3]

let cluster: Cluster
beforeAll(async () => {
  const limitsOf = new Map(LIMITS.map((env, index) => [`gateway-${index + 1}`, env]))
  const podEnv = (name: string) => limitsOf.get(name) ?? {}
  cluster = await startCluster({ gateways: LIMITS.length, workers: 0, edge: false, podEnv })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

it('limits the events of a socket in ten seconds, and says when the next one is accepted', async () => {
  const open = () => cluster.socket(user(), { gateway: FEW_EVENTS })
  const [flooding, other] = await Promise.all([open(), open()])
  // Unknown and invalid events count as well.
  const events = ['nothing', 'typing', ...Array(23).fill('getOnlineUsers')]
  const answers = await Promise.all(events.map((event) => emit(flooding, event, {})))
  const taken = ['UNKNOWN_EVENT', 'VALIDATION_FAILED', ...Array(18).fill('ok')]
  expect(codes(answers)).toEqual([...taken, ...Array(5).fill('RATE_LIMITED')])
  const refused = answers.at(-1)
  const retryAfterMs = refused?.success === false ? refused.error.retryAfterMs : undefined
  expect(retryAfterMs).toBeGreaterThan(0)
  expect(retryAfterMs).toBeLessThanOrEqual(10_000)
  dataOf(await emit(other, 'getOnlineUsers', {}))
})

it('limits the unanswered events of a socket', async () => {
  const socket = await cluster.socket(user(), { gateway: FEW_AT_A_TIME, transports: ['websocket'] })
  const answers = codes(await Promise.all(Array.from({ length: 50 }, () => emit(socket, 'getOnlineUsers', {}))))
  expect(answers.filter((code) => code === 'ok').length).toBeGreaterThanOrEqual(5)
  expect(new Set(answers)).toEqual(new Set(['ok', 'RATE_LIMITED']))
  dataOf(await emit(socket, 'getOnlineUsers', {}))
})

it('accepts exactly the configured number of unanswered events per socket', () => {
  const none = { HANDSHAKES_PER_10S: 0, HANDSHAKES_PER_ADDRESS_PER_10S: 0, TRUSTED_PROXIES: 0 }
  const limits = new GatewayLimits({ ...none, SOCKET_EVENTS_PER_10S: 0, SOCKET_EVENTS_IN_FLIGHT: 5 })
  limits.takeEvent('socket', 5)
  expect(() => limits.takeEvent('socket', 6)).toThrow('More than 5 events')
  expect(limits.refused.counts.get('socket_events_in_flight')).toBe(1)
})

describe('a connection that keeps sending after being refused', () => {
  const url = () => cluster.gateways[FEW_EVENTS]?.url ?? ''

  it('is closed, with what its body holds besides unread', async () => {
    const polling = `${url()}/socket.io/?EIO=4&transport=polling`
    const { sid } = JSON.parse((await (await fetch(polling)).text()).slice(1))
    const session = `${polling}&sid=${sid}`
    const post = (body: string) => fetch(session, { method: 'POST', body })
    await post(`40${JSON.stringify({ token: cluster.token(user()) })}`)
    await (await fetch(session)).text()
    await post(Array(10_000).fill('42["nothing"]').join('\x1e'))
    const answers = (await (await fetch(session)).text()).split('\x1e')
    expect(answers.filter((packet) => packet.startsWith('4'))).toEqual([])
    expect(answers.at(-1)).toBe('1')
    expect((await fetch(session)).status).toBe(400)
  })

  it.each([
    ['events', '42["nothing"]'],
    ['pongs', '3'],
  ])('is closed when it sends %s over a WebSocket', async (_, packet) => {
    const ws = new WebSocket(`${url().replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
    await once(ws, 'message')
    ws.send(`40${JSON.stringify({ token: cluster.token(user()) })}`)
    await once(ws, 'message')
    const closed = once(ws, 'close', { signal: AbortSignal.timeout(15_000) })
    let came = 0
    ws.addEventListener('message', () => came++)
    for (let sent = 0; sent < 1_000; sent++) ws.send(packet)
    await closed
    expect(came).toBeLessThanOrEqual(100)
  })
})

it('limits connections from all addresses together; a flood from one does not use up the total', () => {
  const none = { SOCKET_EVENTS_PER_10S: 0, SOCKET_EVENTS_IN_FLIGHT: 5, TRUSTED_PROXIES: 0 }
  const limits = new GatewayLimits({ ...none, HANDSHAKES_PER_10S: 3, HANDSHAKES_PER_ADDRESS_PER_10S: 2 })
  const from = (remoteAddress: string) => () =>
    limits.takeHandshake({ headers: {}, socket: { remoteAddress } } as IncomingMessage)
  for (let taken = 0; taken < 2; taken++) from('198.18.0.1')()
  for (let refused = 0; refused < 2; refused++) expect(from('198.18.0.1')).toThrow('Too many')
  from('198.18.0.2')()
  expect(from('198.18.0.3')).toThrow('Too many')
  expect([limits.refused.counts.get('handshakes_per_address'), limits.refused.counts.get('handshakes')]).toEqual([2, 1])
  // 0 means no limit.
  for (let event = 0; event < 10; event++) limits.takeEvent('a socket', 5)
  expect(() => limits.takeEvent('a socket', 6)).toThrow('still unanswered')
})

it('counts the address that the balancer reports, and an IPv6 network as one', () => {
  const none = { SOCKET_EVENTS_PER_10S: 0, SOCKET_EVENTS_IN_FLIGHT: 5, HANDSHAKES_PER_10S: 0 }
  const limits = new GatewayLimits({ ...none, HANDSHAKES_PER_ADDRESS_PER_10S: 1, TRUSTED_PROXIES: 1 })
  const from = (client: string) => () =>
    limits.takeHandshake({
      headers: { 'x-forwarded-for': client },
      socket: { remoteAddress: '127.0.0.1' },
    } as unknown as IncomingMessage)
  for (const client of ['198.18.0.1', '198.18.0.2', '2001:db8:1:2::1']) from(client)()
  for (const client of ['198.18.0.1', '2001:db8:1:2::2']) expect(from(client)).toThrow('Too many')
})

it('limits connections from an address; a refused stock client retries on its own', async () => {
  const options = { gateway: FEW_CONNECTIONS, transports: ['websocket' as const] }
  await Promise.all(Array.from({ length: 10 }, () => cluster.socket(user(), options)))
  const url = cluster.gateways[FEW_CONNECTIONS]?.url ?? ''
  const auth = { token: cluster.token(user()) }
  const refused = connect(url, { auth, transports: ['websocket'], reconnection: false })
  // A transport error without data: a refusal with data would be final for a stock client.
  await expect(refused).rejects.toMatchObject({ data: undefined })
  await expect
    .poll(() => connect(url, { auth }).then(closed, () => false), { timeout: 15_000, interval: 500 })
    .toBe(true)
})

function closed(socket: Socket): boolean {
  socket.disconnect()
  return true
}

describe('CONNECT packets of one connection', () => {
  const gateway = () => cluster.gateways[USUAL] as Pod

  /** Opens a raw connection and collects what it receives. */
  async function raw() {
    const ws = new WebSocket(`${gateway().url.replace('http', 'ws')}/socket.io/?EIO=4&transport=websocket`)
    const closed = once(ws, 'close', { signal: AbortSignal.timeout(15_000) })
    const came: string[] = []
    ws.addEventListener('message', ({ data }) => came.push(String(data)))
    await once(ws, 'message')
    return { ws, came, closed }
  }

  const connectWith = (token: string, type = '0') => `4${type}${JSON.stringify({ token })}`

  /** Returns the sum of a gateway's metric over its labels. */
  async function metric(name: string): Promise<number> {
    const text = await (await fetch(`${gateway().adminUrl}/metrics`)).text()
    const lines = text.split('\n').filter((line) => line.startsWith(name))
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0)
  }

  it.each([2, 1_000])('%i at once close it; at most one is let in', async (count) => {
    const before = await metric('parley_gateway_connects_total')
    const { ws, came, closed } = await raw()
    const connect = connectWith(cluster.token(user()))
    for (let i = 0; i < count; i++) ws.send(connect)
    await closed
    expect(came.filter((packet) => packet.startsWith('40')).length).toBeLessThanOrEqual(1)
    expect((await metric('parley_gateway_connects_total')) - before).toBeLessThanOrEqual(1)
  })

  it.each([
    ['as they should be', '0'],
    ['with a blank, which is a nought to Socket.IO', ' '],
  ])('one after the other, %s, close it after ten refusals', async (_how, type) => {
    const { ws, came, closed } = await raw()
    ws.addEventListener('message', () => ws.send(connectWith('no token', type)))
    ws.send(connectWith('no token', type))
    await closed
    expect(came.filter((packet) => packet.startsWith('44')).length).toBe(10)
  })

  it('in one body of a polling client are processed up to ten', async () => {
    const url = `${gateway().url}/socket.io/?EIO=4&transport=polling`
    const { sid } = JSON.parse((await (await fetch(url)).text()).slice(1))
    const refused = 'parley_errors_total{surface="handshake"'
    const before = await metric(refused)
    const body = Array(100_000).fill('40').join('\x1e')
    await fetch(`${url}&sid=${sid}`, { method: 'POST', body })
    const more = (await metric(refused)) - before
    expect(more).toBeGreaterThan(0)
    expect(more).toBeLessThanOrEqual(11)
  })

  it('let a refused client in once it has a valid token', async () => {
    const { ws, came } = await raw()
    ws.send(connectWith('no token'))
    await expect.poll(() => came.at(-1)).toMatch(/^44/)
    ws.send(connectWith(cluster.token(user())))
    await expect.poll(() => came.at(-1)).toMatch(/^40/)
    ws.close()
  })
})

it('closes a client that reads nothing while its room is busy; nobody else notices', async () => {
  const [deaf, writer, reader] = [user('Deaf'), user('Writer'), user('Reader')]
  const conversation = await group(cluster, deaf, [writer, reader])
  const open = (who: User) => cluster.socket(who, { gateway: USUAL, transports: ['websocket'], reconnection: false })
  const [d, w, r] = await Promise.all([open(deaf), open(writer), open(reader)])
  const gateway = cluster.gateways[USUAL] as Pod
  const before = await memoryMb(gateway)
  tcpOf(d).pause()
  const sent = await writeUntil(w, r, conversation.id, () =>
    cluster.logs(gateway.name).includes('closed a connection that was not reading'),
  )
  expect(sent).toBeLessThan(8_000)
  expect((await memoryMb(gateway)) - before).toBeLessThan(200)
  expect(r.connected && w.connected).toBe(true)
})

/** Sends in rounds until `done`; each must reach the reader completely and in order. @returns how many were sent */
async function writeUntil(writer: Socket, reader: Socket, id: string, done: () => boolean) {
  const content = 'x'.repeat(9_000)
  let sent = 0
  while (!done() && sent < 8_000) {
    const round = collect(reader, 'newMessage', 100, { timeoutMs: 15_000 })
    const payload = { conversationId: id, content, type: 'TEXT' }
    const acks = Array.from({ length: 100 }, () => emit<Message>(writer, 'sendMessage', payload, { timeoutMs: 15_000 }))
    for (const ack of await Promise.all(acks)) dataOf(ack)
    const first = sent + 1
    expect((await round).map(({ seq }) => seq)).toEqual(Array.from({ length: 100 }, (_, index) => first + index))
    sent += 100
  }
  expect(cluster.gateways.every(({ running }) => running)).toBe(true)
  return sent
}

/** Returns the TCP socket under a Node client's WebSocket. */
function tcpOf(socket: Socket): { pause(): void } {
  const transport = socket.io.engine.transport as unknown as { ws: { _socket: { pause(): void } } }
  return transport.ws._socket
}
