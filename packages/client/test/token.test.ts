import { setTimeout as delay } from 'node:timers/promises'
import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { Connection } from '../src/connection.ts'
import { readClaims, TokenSource } from '../src/token.ts'
import { clientOf, liveClient, untilDelivered } from './setting.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const DAY_MS = 86_400_000

/** The server's clock, unaffected by {@link clockAhead}. */
const { now: serverNow } = Date

/** Returns claims that expire in `seconds`. */
function ending(seconds: number): { iat: number; exp: number } {
  const now = Math.floor(serverNow() / 1_000)
  return { iat: now, exp: now + seconds }
}

/** Sets the client's clock ahead, so that it renews tokens `ms` milliseconds sooner, however slow the machine is. */
function clockAhead(ms: number): void {
  const clock = vi.spyOn(Date, 'now').mockImplementation(() => serverNow() + ms)
  onTestFinished(() => void clock.mockRestore())
}

/** Resolves when a token has expired on the server. */
const ended = ({ exp }: { exp: number }) => delay(exp * 1_000 - serverNow() + 500)

describe('tokens', () => {
  it('are renewed on the open socket before they expire', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    let given = 0
    const first = ending(5)
    const asked = Promise.withResolvers<void>()
    clockAhead(3_000)
    using ahmed = await liveClient(cluster, a, {
      getToken: () => {
        if (++given === 2) asked.resolve()
        return cluster.token(a, given === 1 ? first : ending(600))
      },
    })
    const states: string[] = []
    ahmed.client.on('state', (state) => states.push(state))
    await asked.promise
    await ended(first)
    // The socket is the same one.
    await ahmed.client.send(id, 'still here')
    await untilDelivered(ahmed, ({ length }) => length === 1)
    expect(states).toEqual([])
    expect(given).toBe(2)
  })

  it('renewed by an HTTP request also reach the open socket', async () => {
    const a = user('Ahmed')
    await cluster.register(a)
    let given = 0
    const first = ending(6)
    clockAhead(4_000)
    // The api considers the token expired, as it would if its clock were slightly ahead.
    const refusing: typeof fetch = async (input, init) => {
      if (given > 1) return fetch(input, init)
      const error = { code: 'TOKEN_EXPIRED', message: 'The token has ended.' }
      return Response.json({ success: false, message: error.message, error }, { status: 401 })
    }
    using ahmed = await liveClient(cluster, a, {
      getToken: () => cluster.token(a, given++ === 0 ? first : ending(600)),
      fetch: refusing,
    })
    const states: string[] = []
    ahmed.client.on('state', (state) => states.push(state))
    await ahmed.client.searchUsers('nobody')
    await ended(first)
    expect(states).toEqual([])
    expect(given).toBe(2)
  })

  it('are replaced when refused', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await direct(cluster, a, b)
    const tokens = ['not a token', cluster.token(a, { exp: 1 }), cluster.token(a)]
    using ahmed = clientOf(cluster, a, { getToken: () => tokens.shift() ?? cluster.token(a) })
    ahmed.client.connect()
    await ahmed.client.whenLive()
    expect(ahmed.errors.length).toBeGreaterThan(0)
    expect(ahmed.errors).toSatisfy((errors: { code: string }[]) =>
      errors.every(({ code }) => code.startsWith('TOKEN_')),
    )
    expect(tokens).toEqual([])
  })

  it('of another user who has signed in meanwhile are never used', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    await cluster.register(a, b, c)
    let given = 0
    const refusing: typeof fetch = async (input, init) => {
      if (given > 1) return fetch(input, init)
      const error = { code: 'TOKEN_EXPIRED', message: 'The token has ended.' }
      return Response.json({ success: false, message: error.message, error }, { status: 401 })
    }
    using ahmed = await liveClient(cluster, a, {
      getToken: () => cluster.token(given++ === 0 ? a : b),
      fetch: refusing,
    })
    const made = ahmed.client.createConversation({ type: 'GROUP', participantIds: [c.id] })
    await expect(made).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    const { rows } = await cluster.sql.query('select 1 from conversations where created_by = $1', [b.id])
    expect(rows).toEqual([])
  })

  it('that are always refused are the cause when whenLive times out', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    onTestFinished(() => void vi.useRealTimers())
    using ahmed = clientOf(cluster, user('Ahmed'), { getToken: () => 'not a token' })
    const refused = new Promise((resolve) => ahmed.client.on('error', resolve))
    const waiting = ahmed.client.whenLive(1_500)
    ahmed.client.connect()
    await refused
    vi.advanceTimersByTime(1_500)
    await expect(waiting).rejects.toMatchObject({ code: 'TIMEOUT', cause: { code: 'TOKEN_INVALID' } })
  })

  it('are requested again after getToken fails', async () => {
    const a = user('Ahmed')
    await cluster.register(a)
    let asked = 0
    const getToken = async () => {
      if (++asked === 1) throw new Error('the login server is down')
      return cluster.token(a)
    }
    using ahmed = clientOf(cluster, a, { getToken })
    ahmed.client.connect()
    await ahmed.client.whenLive()
    expect(ahmed.errors).toMatchObject([{ code: 'TOKEN_MISSING' }])
  })
})

describe('a device whose clock is ahead by more than a token’s lifetime', () => {
  it.each([
    ['does not renew a token with iat', {}, 1],
    ['renews a token without iat once, then not for a while', { iat: undefined }, 2],
  ])('%s', async (_what, claims, asks) => {
    const a = user('Ahmed')
    await cluster.register(a)
    let asked = 0
    const getToken = () => {
      asked++
      return cluster.token(a, claims)
    }
    const errors: unknown[] = []
    const connection = new Connection({
      url: cluster.url,
      tokens: new TokenSource(getToken, () => Date.now() + DAY_MS),
      hello: () => ({}),
      onState: () => undefined,
      onEvent: () => undefined,
      onConnect: async () => undefined,
      onError: (error) => errors.push(error),
    })
    connection.start()
    await expect.poll(() => connection.state).toBe('live')
    await delay(1_000)
    expect(connection.state).toBe('live')
    connection.stop()
    expect(errors).toEqual([])
    expect(asked).toBe(asks)
  })

  it('requests another token if the renewed one is refused', async () => {
    const a = user('Ahmed')
    await cluster.register(a)
    const tokens = [cluster.token(a, { iat: undefined }), 'not a token', cluster.token(a)]
    const renewed = Promise.withResolvers<void>()
    using _ahmed = { [Symbol.dispose]: () => connection.stop() }
    const states: string[] = []
    const connection = new Connection({
      url: cluster.url,
      tokens: new TokenSource(
        () => {
          if (tokens.length === 1) renewed.resolve()
          return tokens.shift() ?? ''
        },
        () => Date.now() + DAY_MS,
      ),
      hello: () => ({}),
      onState: (state) => states.push(state),
      onEvent: () => undefined,
      onConnect: async () => undefined,
      onError: () => undefined,
    })
    connection.start()
    await renewed.promise
    expect(states).toEqual(['connecting', 'syncing', 'live'])
  })

  it('does not request a token for each request', async () => {
    let asked = 0
    const source = new TokenSource(
      () => cluster.token(`u${++asked}`),
      () => Date.now() + DAY_MS,
    )
    for (let request = 0; request < 3; request++) await source.get()
    expect(asked).toBe(1)
  })
})

describe('TokenSource', () => {
  it('assumes no more than the lifetime of a token, and the remainder for one issued earlier', async () => {
    const now = Date.now()
    const seconds = Math.floor(now / 1_000)
    const renewInMs = async (claims: { iat?: number; exp: number }, clock = now) => {
      const source = new TokenSource(
        () => cluster.token('u', claims),
        () => clock,
      )
      await source.get()
      return source.renewInMs ?? Number.NaN
    }
    const token = { iat: seconds, exp: seconds + 3_600 }
    const near = { min: 3_539_000, max: 3_541_000 }
    for (const clock of [now, now - DAY_MS, now + DAY_MS]) {
      const due = await renewInMs(token, clock)
      expect(due).toBeGreaterThan(near.min)
      expect(due).toBeLessThan(near.max)
    }
    expect(await renewInMs({ iat: seconds - 3_000, exp: seconds + 600 })).toBeLessThan(541_000)
  })

  it('reads claims in any script, and nothing from a string that is not a JWT', () => {
    const who = { id: 'žluťoučký', fullName: '阿', profilePhoto: null }
    const expected = { sub: who.id, expiresAt: 5_000, lifeMs: 3_000 }
    expect(readClaims(cluster.token(who, { iat: 2, exp: 5 }))).toEqual(expected)
    for (const iat of [undefined, 6]) {
      expect(readClaims(cluster.token(who, { iat, exp: 5 }))).toEqual({ ...expected, lifeMs: undefined })
    }
    for (const token of ['', 'a.b.c', `x.${btoa('[1]')}.y`]) expect(readClaims(token).sub).toBeUndefined()
  })

  it('shares concurrent calls, keeps a token for most of its life, renews it when refused', async () => {
    let now = Date.now()
    let asked = 0
    const source = new TokenSource(
      () => cluster.token(`u${++asked}`, { exp: Math.floor(now / 1_000) + 3_600 }),
      () => now,
    )
    const [first, again] = await Promise.all([source.get(), source.get()])
    expect(again).toBe(first)
    now += 3_500_000
    expect(await source.get()).toBe(first)
    now += 50_000
    expect(await source.get()).not.toBe(first)
    source.reject(first)
    expect(asked).toBe(2)
    source.reject(await source.get())
    await source.get()
    expect(asked).toBe(3)
  })
})
