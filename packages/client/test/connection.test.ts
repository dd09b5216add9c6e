import { EventEmitter, once } from 'node:events'
import { type Cluster, startCluster, type TcpProxy, tcpProxy, user } from '@parley/testkit'
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { Connection, type ConnectionOptions, type ConnectionState } from '../src/connection.ts'
import { ParleyClientError } from '../src/errors.ts'
import { TokenSource } from '../src/token.ts'

/* One connection to a real gateway, through a network that can be disturbed, with control over the client's timers. */

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  // Reconnect delays take their upper bounds.
  const random = vi.spyOn(Math, 'random').mockReturnValue(1)
  onTestFinished(() => {
    random.mockRestore()
    vi.useRealTimers()
  })
})

/** A token's lifetime, and its renewal at four fifths of that. Seconds and milliseconds. */
const [TOKEN_LIFE_S, FIRST_RENEWAL_MS] = [10, 8_000]
/** How far the client's clock is ahead, in milliseconds, so that no token expires on the server during a test. */
const AHEAD_MS = 3_600_000
/** Interval of all later renewals, in milliseconds. */
const NEXT_RENEWAL_MS = 10_000
const LOST = new ParleyClientError('NETWORK', 'What was missed could not be fetched.')

/** Opens a connection through a proxy and records its states and errors. Both are closed after the test. */
async function connect(options: Partial<ConnectionOptions> = {}) {
  const { hostname: host, port } = new URL(cluster.gateways[0]?.url ?? '')
  const network = await tcpProxy({ host, port: Number(port) })
  const states: string[] = []
  const errors: ParleyClientError[] = []
  const changes = new EventEmitter()
  const connection = new Connection({
    url: `http://127.0.0.1:${network.port}`,
    tokens: new TokenSource(() => cluster.token(user())),
    hello: () => ({}),
    onState: (state) => {
      states.push(state)
      changes.emit(state)
    },
    onEvent: () => undefined,
    onConnect: async () => undefined,
    onError: (error) => errors.push(error),
    ...options,
  })
  onTestFinished(async () => {
    connection.stop()
    await network[Symbol.asyncDispose]()
  })
  connection.start()
  /** Resolves when the connection is in this state. Vitest's own ways of waiting would advance the fake timers. */
  const being = async (state: ConnectionState) => {
    if (connection.state !== state) await once(changes, state)
  }
  /** Waits until it is offline and asserts that it reconnects after exactly this long. */
  const triedAfter = async (ms: number) => {
    await being('offline')
    vi.advanceTimersByTime(ms - 1)
    expect(connection.state).toBe('offline')
    vi.advanceTimersByTime(1)
    expect(connection.state).toBe('connecting')
  }
  return { connection, network, states, errors, being, triedAfter }
}

/** Breaks all open connections; later ones get through. */
function breakOff(network: TcpProxy): void {
  network.cut()
  network.restore()
}

/** Tokens of one user, each issued a minute after the previous one, and a clock that follows the fake timers. */
function renewals() {
  const who = user()
  const start = Math.floor((Date.now() + AHEAD_MS) / 1_000) * 1_000
  let passed = 0
  let given = 0
  const issuedAt = (number: number) => start / 1_000 - 7_200 + 60 * number
  const token = () => {
    const exp = Math.floor((start + passed) / 1_000) + TOKEN_LIFE_S
    return cluster.token(who, { iat: issuedAt(++given), exp })
  }
  const getToken = vi.fn<() => string | Promise<string>>(token)
  const tokens = new TokenSource(getToken, () => start + passed)
  const pass = async (ms: number) => {
    passed += ms
    await vi.advanceTimersByTimeAsync(ms)
  }
  /** Revokes all tokens given so far. */
  const revoke = async () => {
    const before = new Date((issuedAt(given) + 1) * 1_000).toISOString()
    await cluster.service().post(`/api/users/${who.id}/revoke-tokens`, { before })
  }
  return { getToken, token, tokens, pass, revoke }
}

describe('a connection', () => {
  it('is opened once, however often it is started, and closed when it is stopped', async () => {
    const { connection, states, being } = await connect()
    await being('live')
    connection.start()
    await new Promise(setImmediate)
    for (let times = 0; times < 2; times++) connection.stop()
    expect(states).toEqual(['connecting', 'syncing', 'live', 'offline'])
    const metrics = async () => (await fetch(`${cluster.gateways[0]?.adminUrl}/metrics`)).text()
    await expect.poll(metrics).toMatch(/^parley_gateway_connections 0$/m)
  })

  it('is retried with growing delays, even if it is up for a moment each time', async () => {
    const { errors, triedAfter } = await connect({ onConnect: () => Promise.reject(LOST) })
    for (const delay of [500, 1_000, 2_000, 4_000, 8_000, 8_000]) await triedAfter(delay)
    expect(new Set(errors)).toEqual(new Set([LOST]))
  })

  it('waits longer after a long time without reaching a gateway, until it reaches one', async () => {
    // The polling transport, which would be tried next, depends on timers.
    const socketOptions = { transports: ['websocket'] }
    const { network, being, triedAfter } = await connect({ onConnect: () => Promise.reject(LOST), socketOptions })
    network.cut()
    for (const delay of [500, 1_000, 2_000, 4_000, 8_000, 8_000]) await triedAfter(delay)
    // Twenty attempts in all.
    for (let tries = 6; tries < 20; tries++) await triedAfter(8_000)
    await triedAfter(30_000)
    await being('offline')
    network.restore()
    await triedAfter(30_000)
    await triedAfter(8_000)
  })

  it('is retried soon after it has been up for a while', async () => {
    let fails = 3
    const { connection, network, being } = await connect({
      onConnect: async () => {
        if (fails-- > 0) throw LOST
      },
    })
    for (const delay of [500, 1_000, 2_000]) {
      await being('offline')
      vi.advanceTimersByTime(delay)
    }
    await being('live')
    connection.hurry()
    expect(connection.state).toBe('live')
    vi.advanceTimersByTime(5_000)
    breakOff(network)
    await being('offline')
    vi.advanceTimersByTime(500)
    expect(connection.state).toBe('connecting')
  })

  it('is not retried before the time that the server asks for', async () => {
    const busy = new ParleyClientError('RATE_LIMITED', '', { retryAfterMs: 20_000 })
    const { connection, being } = await connect({ onConnect: () => Promise.reject(busy) })
    await being('offline')
    vi.advanceTimersByTime(19_999)
    expect(connection.state).toBe('offline')
    vi.advanceTimersByTime(1)
    expect(connection.state).toBe('connecting')
  })

  it('restarts the backoff on hurry(), and cancels the delay it was waiting for', async () => {
    const getToken = vi.fn(() => Promise.reject(new Error('the login server is down')))
    const { connection, being } = await connect({ tokens: new TokenSource(getToken) })
    await being('offline')
    vi.advanceTimersByTime(500)
    await being('offline')
    vi.advanceTimersByTime(800)
    connection.hurry()
    await being('offline')
    expect(getToken).toHaveBeenCalledTimes(3)
    vi.advanceTimersByTime(499)
    expect(connection.state).toBe('offline')
    vi.advanceTimersByTime(1)
    expect(connection.state).toBe('connecting')
  })

  it('rejects a request in progress with NETWORK when it breaks', async () => {
    const { connection, network, being } = await connect()
    await being('live')
    network.stall()
    const asked = connection.call('getOnlineUsers', {})
    network.cut()
    await expect(asked).rejects.toMatchObject({ code: 'NETWORK' })
  })
})

it('a request on a device that has slept fails at once if the connection has died meanwhile', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  const { connection, being } = await connect()
  await being('live')
  vi.setSystemTime(Date.now() + 3_600_000)
  await expect(connection.call('getOnlineUsers', {})).rejects.toMatchObject({ code: 'NETWORK' })
  expect(connection.state).toBe('offline')
})

describe('a fetch on an open connection', () => {
  it('reconnects if it fails', async () => {
    const { connection, states, errors, being } = await connect()
    await being('live')
    await connection.during(Promise.reject(LOST))
    expect(states).toEqual(['connecting', 'syncing', 'live', 'syncing', 'offline'])
    expect(errors).toEqual([LOST])
    vi.advanceTimersByTime(500)
    await being('live')
  })

  it('does not affect the next connection, whatever its outcome', async () => {
    const { connection, network, errors, being } = await connect()
    await being('live')
    const [good, bad] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const ended = [connection.during(good.promise), connection.during(bad.promise)]
    breakOff(network)
    await being('offline')
    good.resolve()
    await ended[0]
    expect(connection.state).toBe('offline')
    vi.advanceTimersByTime(500)
    await being('live')
    bad.reject(LOST)
    await ended[1]
    expect(connection.state).toBe('live')
    expect(errors).not.toContain(LOST)
  })
})

describe('a token', () => {
  it('is renewed again and again, with growing delays while renewal fails', async () => {
    const { getToken, token, tokens, pass } = renewals()
    const { connection, states, errors, being } = await connect({ tokens })
    await being('live')
    getToken.mockRejectedValue(new Error('the login server is down'))
    await pass(FIRST_RENEWAL_MS - 1)
    expect(getToken).toHaveBeenCalledTimes(1)
    for (const [failures, pause] of [1, 1_000, 2_000].entries()) {
      await pass(pause - 1)
      expect(getToken).toHaveBeenCalledTimes(1 + failures)
      await pass(1)
      expect(getToken).toHaveBeenCalledTimes(2 + failures)
    }
    expect(errors.map(({ code }) => code)).toEqual(['TOKEN_MISSING', 'TOKEN_MISSING', 'TOKEN_MISSING'])
    const call = vi.spyOn(connection, 'call')
    getToken.mockImplementation(token)
    await pass(4_000)
    await call.mock.results[0]?.value
    await new Promise(setImmediate)
    await pass(NEXT_RENEWAL_MS)
    expect(call.mock.calls.map(([event]) => event)).toEqual(['renewToken', 'renewToken'])
    expect(states).toEqual(['connecting', 'syncing', 'live'])
  })

  it('is not renewed in a busy loop if it lasts for months', async () => {
    const tokens = new TokenSource(() => cluster.token(user(), { exp: Math.floor(Date.now() / 1_000) + 5_184_000 }))
    const get = vi.spyOn(tokens, 'get')
    const { being } = await connect({ tokens })
    await being('live')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(get).toHaveBeenCalledOnce()
  })

  it('is not requested once the connection is stopped, even in the middle of a renewal', async () => {
    const { getToken, token, tokens, pass } = renewals()
    const { connection, being } = await connect({ tokens })
    await being('live')
    connection.stop()
    await pass(60_000)
    expect(getToken).toHaveBeenCalledTimes(1)
    connection.start()
    await being('live')
    const late = Promise.withResolvers<string>()
    getToken.mockReturnValueOnce(late.promise)
    await pass(NEXT_RENEWAL_MS)
    expect(getToken).toHaveBeenCalledTimes(3)
    connection.stop()
    late.resolve(token())
    await new Promise(setImmediate)
    await pass(60_000)
    expect(getToken).toHaveBeenCalledTimes(3)
  })

  it('is not used again after the server has revoked it, whether it is the first or a renewed one', async () => {
    const { getToken, tokens, pass, revoke } = renewals()
    const { connection, errors, being } = await connect({ tokens })
    await being('live')
    const call = vi.spyOn(connection, 'call')
    await pass(FIRST_RENEWAL_MS)
    await call.mock.results[0]?.value
    await new Promise(setImmediate)
    for (const asked of [3, 4]) {
      await revoke()
      await being('offline')
      vi.advanceTimersByTime(1_000)
      await being('live')
      expect(getToken).toHaveBeenCalledTimes(asked)
    }
    expect(errors.map(({ code }) => code)).toEqual(['NETWORK', 'NETWORK'])
  })

  it('is replaced soon after a refusal, whatever the connection failures before, and then with growing delays', async () => {
    const { getToken, token, tokens, revoke } = renewals()
    let fails = 3
    const { being, triedAfter } = await connect({
      tokens,
      onConnect: async () => {
        if (fails-- > 0) throw LOST
      },
    })
    for (const delay of [500, 1_000, 2_000]) await triedAfter(delay)
    await being('live')
    await revoke()
    const refused = await tokens.get()
    getToken.mockReturnValue(refused)
    for (const delay of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000]) await triedAfter(delay)
    getToken.mockImplementation(token)
    await triedAfter(30_000)
    await being('live')
  })
})
