import { EventEmitter } from 'node:events'
import { userRoom } from '@parley/fanout'
import { type Conversation, type Message, ParleyError } from '@parley/protocol'
import { type Cluster, connect, dataOf, disconnected, emit, errorOf, next, startCluster, user } from '@parley/testkit'
import type { Server } from 'socket.io'
import { io } from 'socket.io-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { serveConnections } from '../src/connection.ts'
import type { GatewayDeps } from '../src/deps.ts'
import { EventFlow } from '../src/flow.ts'
import { TokenGuard } from '../src/token-guard.ts'
import { TokenLife } from '../src/token-life.ts'

/* A socket lives as long as its token, which can be renewed; a revoked token is accepted nowhere. */

const now = () => Math.floor(Date.now() / 1_000)
let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('a token that expires', () => {
  it('closes the socket with TOKEN_EXPIRED, so that a stock client reconnects', async () => {
    // Listen from the start: if connecting is slow, the token expires as soon as it is done.
    const socket = io(cluster.url, {
      auth: { token: cluster.token(user(), { exp: now() + 2 }) },
      reconnection: false,
      forceNew: true,
    })
    const told = next(socket, 'exception')
    const reason = new Promise((resolve) => socket.once('disconnect', resolve))
    expect(await told).toMatchObject({ event: 'connect', success: false, error: { code: 'TOKEN_EXPIRED' } })
    expect(await reason).toBe('transport close')
  })

  it('can be replaced by a newer one of the same person on the open socket', async () => {
    const who = user()
    const socket = await cluster.socket(who, { reconnection: false })
    // The first of these expires soon, and is replaced at once.
    const [soon, exp] = [now() + 4, now() + 600]
    dataOf(await emit(socket, 'renewToken', { token: cluster.token(who, { exp: soon }) }))
    const answer = await emit(socket, 'renewToken', { token: cluster.token(who, { exp }) })
    expect(dataOf(answer)).toEqual({ expiresAt: new Date(exp * 1_000).toISOString().replace('Z', '000Z') })
    const timeoutMs = soon * 1_000 - Date.now() + 1_000
    await expect(disconnected(socket, { timeoutMs })).rejects.toThrow('No disconnect')
    dataOf(await emit(socket, 'getOnlineUsers', {}))
  })

  it('is replaced along with the person’s name, if the newer one has another', async () => {
    const [who, other] = [user('Before'), user()]
    const socket = await cluster.socket(who, { claims: { iat: now() - 100 } })
    await cluster.register(other)
    const body = { type: 'DIRECT', participantIds: [who.id] }
    const { id } = dataOf(await cluster.api(other).post<Conversation>('/api/messages/conversations', body))
    dataOf(await emit(socket, 'renewToken', { token: cluster.token({ ...who, fullName: 'After' }) }))
    const sent = await emit<Message>(socket, 'sendMessage', { conversationId: id, content: 'Hello' })
    expect(dataOf(sent).sender.fullName).toBe('After')
  })

  it('is not replaced by somebody else’s, a service’s or an invalid one', async () => {
    const who = user()
    const socket = await cluster.socket(who)
    const renew = async (token: unknown) => errorOf(await emit(socket, 'renewToken', { token })).code
    expect(await renew(cluster.token(user()))).toBe('FORBIDDEN')
    // Also one that speaks for nobody but them.
    expect(await renew(cluster.token(who, { role: 'service' }))).toBe('FORBIDDEN')
    expect(await renew('not a token')).toBe('TOKEN_INVALID')
    expect(await renew(cluster.token(user(), { exp: now() - 60 }))).toBe('TOKEN_EXPIRED')
    // A request would still be answered, for the sake of clocks that differ; a socket would be closed at once.
    expect(await renew(cluster.token(who, { exp: now() - 1 }))).toBe('TOKEN_EXPIRED')
    expect(await renew(7)).toBe('VALIDATION_FAILED')
    expect(socket.connected).toBe(true)
  })
})

describe('a token that lasts longer than a timer can', () => {
  afterEach(() => {
    vi.useRealTimers()
  })

  it('expires at its time', () => {
    vi.useFakeTimers()
    const ended = vi.fn()
    const life = new TokenLife(ended)
    const days = 24 * 3_600_000
    life.start(new Date(Date.now() + 60 * days))
    vi.advanceTimersByTime(60 * days - 1)
    expect(ended).not.toHaveBeenCalled()
    vi.advanceTimersByTime(1)
    expect(ended).toHaveBeenCalledOnce()
    life.start(null)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a revoked token', () => {
  it('ends the person’s sockets on every gateway at once, and opens no new one', async () => {
    const [who, other] = [user(), user()]
    const old = { iat: now() - 100 }
    const sockets = await Promise.all(
      [0, 1].map((gateway) => cluster.socket(who, { gateway, claims: old, reconnection: false })),
    )
    const [newer, bystander] = await Promise.all([cluster.socket(who), cluster.socket(other, { claims: old })])
    const renewed = await cluster.socket(who, { claims: old })
    dataOf(await emit(renewed, 'renewToken', { token: cluster.token(who) }))
    const told = Promise.all(sockets.map((socket) => next(socket, 'exception')))
    // By the notice: the next periodic check is a minute away.
    const closed = Promise.all(sockets.map((socket) => disconnected(socket)))
    const before = new Date((now() - 50) * 1_000).toISOString()
    dataOf(await cluster.service().post(`/api/users/${who.id}/revoke-tokens`, { before }))
    expect((await told).map(({ error }) => error.code)).toEqual(['TOKEN_INVALID', 'TOKEN_INVALID'])
    await closed
    for (const { url } of cluster.gateways) {
      const auth = { token: cluster.token(who, old) }
      await expect(connect(url, { auth })).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    }
    expect(errorOf(await emit(newer, 'renewToken', { token: cluster.token(who, old) })).code).toBe('TOKEN_INVALID')
    for (const socket of [newer, renewed, bystander]) dataOf(await emit(socket, 'getOnlineUsers', {}))
  })

  it('no longer changes its person', async () => {
    const who = user('Before')
    await cluster.socket(who, { gateway: 0, claims: { iat: now() - 100 }, reconnection: false })
    const before = new Date((now() - 20) * 1_000).toISOString()
    dataOf(await cluster.service().post(`/api/users/${who.id}/revoke-tokens`, { before }))
    const auth = { token: cluster.token({ ...who, fullName: 'After' }, { iat: now() - 50 }) }
    await expect(connect(cluster.gateways[0]?.url ?? '', { auth })).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    // The next person is written after everything about earlier ones.
    await cluster.socket(user(), { gateway: 0 })
    const { rows } = await cluster.sql.query('select full_name from users where id = $1', [who.id])
    expect(rows).toEqual([{ full_name: 'Before' }])
  })

  it('ends a socket that was let in during the revocation', async () => {
    const close = vi.fn()
    const identity = { userId: 'ahmed', issuedAt: null, expiresAt: null }
    const session = { user: { id: 'ahmed' }, identity, flow: new EventFlow(), tokenLife: new TokenLife(vi.fn()) }
    const socket = Object.assign(new EventEmitter(), { handshake: { auth: {} }, data: { session }, conn: { close } })
    const deps = {
      logger: { isLevelEnabled: () => false },
      measures: {},
      presence: { connect: async () => ({ becameOnline: false }) },
      revocations: { require: () => Promise.reject(new ParleyError('TOKEN_INVALID')) },
    } as unknown as GatewayDeps
    const io = new EventEmitter()
    serveConnections(io as unknown as Server, deps)
    io.emit('connection', socket)
    await expect.poll(() => close.mock.calls.length).toBe(1)
  })

  it('is looked for only among the person’s own sockets', () => {
    const socket = (issuedAt: Date | null) => ({
      data: { session: { identity: { issuedAt } } },
      emit: vi.fn(),
      conn: { close: vi.fn() },
    })
    const [old, newer, undated] = [socket(new Date(1_000)), socket(new Date(2_000)), socket(null)]
    const sockets = new Map<string, unknown>([
      ['old', old],
      ['newer', newer],
      ['undated', undated],
      // Looking at this one would throw.
      ['of somebody else', {}],
    ])
    const rooms = new Map([[userRoom('ahmed'), new Set(['old', 'newer', 'undated', 'connecting'])]])
    const io = { sockets: { sockets, adapter: { rooms } } } as unknown as Server
    const guard = new TokenGuard({ io, revocations: { lookUp: async () => new Map() }, onError: vi.fn() })
    guard.revoke('ahmed', 2_000)
    guard.stop()
    for (const { conn } of [old, undated]) expect(conn.close).toHaveBeenCalledOnce()
    expect(newer.conn.close).not.toHaveBeenCalled()
  })
})
