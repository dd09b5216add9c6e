import { type EventEmitter, once } from 'node:events'
import type { Conversation, Message } from '@parley/protocol'
import {
  apiClient,
  type Cluster,
  collect,
  dataOf,
  direct,
  emit,
  errorOf,
  group,
  next,
  providedServices,
  redisClient,
  startCluster,
  type TcpProxy,
  tcpProxy,
  user,
} from '@parley/testkit'
import { io, type Socket } from 'socket.io-client'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/*
 * Redis and Postgres go away and come back under a running cluster. What is acked is stored, nobody hangs, no process exits.
 */

const SECRET = `secret-${crypto.randomUUID()}`
const [ahmed, fatima, zainab] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Zainab')]
let cluster: Cluster
let postgres: TcpProxy
let conversation: Conversation
/** Connects both to the first gateway, and Fatima's other device to the second. */
let a: Socket
let near: Socket
let far: Socket
let pids: number[]

beforeAll(async () => {
  const { hostname, port } = new URL(providedServices().postgres.adminUrl)
  postgres = await tcpProxy({ host: hostname, port: Number(port || 5432) })
  cluster = await startCluster({ gateways: 2, databaseUrl: (real) => postgres.rewrite(real) })
  conversation = await direct(cluster, ahmed, fatima)
  await direct(cluster, ahmed, zainab)
  const open = (who: typeof ahmed, gateway: number) => cluster.socket(who, { gateway, transports: ['websocket'] })
  ;[a, near, far] = await Promise.all([open(ahmed, 0), open(fatima, 0), open(fatima, 1)])
  pids = pidsNow()
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await postgres?.[Symbol.asyncDispose]()
})

const pidsNow = () =>
  [...cluster.gateways, ...cluster.apis, ...cluster.workers].flatMap(({ pid, running }) => (running ? pid : []))
const send = (content: string, more: object = {}) =>
  emit<Message>(a, 'sendMessage', { conversationId: conversation.id, content, ...more }, { timeoutMs: 8_000 })
const path = () => `/api/messages/conversations/${conversation.id}/messages`
const newest = async () => dataOf(await cluster.api(fatima).get<Message[]>(`${path()}?limit=1`))[0]

/** Runs `work` and returns how long it took, in ms. */
async function timed<T>(work: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const since = performance.now()
  const result = await work()
  return { result, ms: performance.now() - since }
}

/** Resolves when a message has reached the second gateway from the first; retries while services come back. */
async function crossesAgain(): Promise<void> {
  await expect
    .poll(
      async () => {
        const content = `Crossing ${crypto.randomUUID()}`
        const crossed = next(far, 'newMessage', (message) => message.content === content, { timeoutMs: 1_000 }).catch(
          () => undefined,
        )
        await send(content)
        return (await crossed)?.content === content
      },
      { timeout: 15_000 },
    )
    .toBe(true)
}

describe('Redis', () => {
  it('away: a socket still connects', async () => {
    await cluster.redis.kill()
    const { ms } = await timed(() => cluster.socket(zainab, { gateway: 0, transports: ['websocket'], timeout: 10_000 }))
    expect(ms).toBeLessThan(6_000)
  })

  it('away: messages are stored and acked, and reach the sockets of their own gateway', async () => {
    const heard = collect(near, 'newMessage', 3, { timeoutMs: 8_000 })
    for (const n of [1, 2, 3]) {
      const { result, ms } = await timed(() => send(`${SECRET} without Redis ${n}`))
      expect(dataOf(result).content).toBe(`${SECRET} without Redis ${n}`)
      expect(ms).toBeLessThan(2_500)
    }
    expect((await heard).map(({ content }) => content)).toEqual([1, 2, 3].map((n) => `${SECRET} without Redis ${n}`))
    expect(await newest()).toMatchObject({ content: `${SECRET} without Redis 3` })
    const posted = await timed(() => cluster.api(ahmed).post<Message>(path(), { content: 'By post without Redis' }))
    expect(posted.result.status).toBe(201)
    expect(posted.ms).toBeLessThan(4_000)
    const typing = next(near, 'userTyping')
    expect(await emit(a, 'typing', { conversationId: conversation.id })).toMatchObject({ success: true })
    await typing
    const online = errorOf(await emit(a, 'getOnlineUsers'))
    expect(online).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) })
    expect((await cluster.api(ahmed).get('/api/messages/conversations')).status).toBe(200)
  })

  it('back: messages cross again, missed ones follow, and people are announced as online', async () => {
    const came = next(a, 'userOnline', ({ userId }) => userId === zainab.id, { timeoutMs: 25_000 })
    const missed = next(far, 'newMessage', ({ content }) => content === `${SECRET} without Redis 3`, {
      timeoutMs: 25_000,
    })
    await cluster.redis.start()
    await crossesAgain()
    await missed
    await came
    await expect
      .poll(async () => dataOf(await emit<string[]>(a, 'getOnlineUsers')).sort(), { timeout: 10_000 })
      .toEqual([fatima.id, zainab.id].sort())
    expect(pidsNow()).toEqual(pids)
  })

  it('frozen: nobody waits for it for more than about two seconds', async () => {
    await cluster.redis.pause()
    try {
      const { result, ms } = await timed(() => send(`${SECRET} while frozen`))
      expect(result.success).toBe(true)
      expect(ms).toBeLessThan(2_000)
      const asked = await timed(() => emit(a, 'getOnlineUsers', undefined, { timeoutMs: 8_000 }))
      expect(errorOf(asked.result).code).toBe('UNAVAILABLE')
      expect(asked.ms).toBeLessThan(3_500)
    } finally {
      await cluster.redis.resume()
    }
    await crossesAgain()
    expect(pidsNow()).toEqual(pids)
  })

  it('frozen: conversations can still be created and changed, and everybody is told once it is back', async () => {
    const api = cluster.api(ahmed)
    const { id } = await group(cluster, ahmed, [fatima], 'Before')
    const made = next(far, 'conversationCreated', ({ name }) => name === 'While frozen', { timeoutMs: 30_000 })
    const renamed = next(far, 'conversationUpdated', ({ name }) => name === 'After', { timeoutMs: 30_000 })
    await cluster.redis.pause()
    try {
      const body = { type: 'GROUP', participantIds: [fatima.id], name: 'While frozen' }
      for (const change of [
        () => api.post('/api/messages/conversations', body),
        () => api.patch(`/api/messages/conversations/${id}`, { name: 'After' }),
      ]) {
        const { result, ms } = await timed(change)
        dataOf(result)
        expect(ms).toBeLessThan(2_500)
      }
    } finally {
      await cluster.redis.resume()
    }
    await Promise.all([made, renamed])
    await crossesAgain()
  })

  it('full: messages still cross; gateways report that they hold no lease, and take one once there is room', async () => {
    const client = await redisClient(cluster.redisUrl)
    const servers = 'nodes' in client ? client.nodes('master') : [client]
    const bound = (bytes: string) => Promise.all(servers.map((server) => server.config('SET', 'maxmemory', bytes)))
    const leases = async () =>
      Promise.all(
        cluster.gateways.map(async ({ adminUrl }) => {
          const text = await (await fetch(`${adminUrl}/metrics`)).text()
          return /^parley_presence_lease_held (\d)$/m.exec(text)?.[1]
        }),
      )
    try {
      // Less than an empty Redis uses: reads are answered, writes are refused.
      await bound('1mb')
      await expect.poll(leases, { timeout: 30_000 }).toEqual(['0', '0'])
      await crossesAgain()
    } finally {
      await bound('0')
      client.disconnect()
    }
    await expect.poll(leases, { timeout: 20_000 }).toEqual(['1', '1'])
    await expect
      .poll(async () => dataOf(await emit<string[]>(a, 'getOnlineUsers')).sort(), { timeout: 10_000 })
      .toEqual([fatima.id, zainab.id].sort())
    expect(pidsNow()).toEqual(pids)
  })
})

describe('Postgres', () => {
  const broken: [string, () => void][] = [
    ['away', () => postgres.cut()],
    ['silent', () => postgres.stall()],
  ]
  it.each(broken)(
    '%s: UNAVAILABLE within two seconds, with a retry time; then it works again',
    async (what, break_) => {
      break_()
      const clientMessageId = `once-${what}`
      const { result, ms } = await timed(() => send(`${SECRET} ${what}`, { clientMessageId }))
      expect(errorOf(result)).toMatchObject({ code: 'UNAVAILABLE', retryAfterMs: expect.any(Number) })
      expect(ms).toBeLessThan(3_500)
      const posted = await timed(() => cluster.api(ahmed).post(path(), { content: `${SECRET} ${what}` }))
      expect([posted.result.status, errorOf(posted.result).code]).toEqual([503, 'UNAVAILABLE'])
      expect(Number(posted.result.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(posted.ms).toBeLessThan(6_000)
      // Not refused, which would be final for a stock client: it retries until it is let in.
      const connecting = cluster.socket(user('New'), { gateway: 1, transports: ['websocket'], timeout: 9_000 })
      // Whatever needs no database still works.
      const typing = next(near, 'userTyping')
      expect(await emit(a, 'typing', { conversationId: conversation.id })).toMatchObject({ success: true })
      await typing
      await emit(a, 'stopTyping', { conversationId: conversation.id })
      postgres.restore()
      expect((await connecting).connected).toBe(true)
      const again = await retried(() => send(`${SECRET} ${what}`, { clientMessageId }))
      const twice = dataOf(await send(`${SECRET} ${what}`, { clientMessageId }))
      expect(twice.id).toBe(again.id)
      const { body } = await cluster.api(fatima).get<Message[]>(`${path()}?limit=20`)
      const stored = body.success ? body.data.filter((message) => message.clientMessageId === clientMessageId) : []
      expect(stored.map(({ id }) => id)).toEqual([again.id])
      await crossesAgain()
      expect(pidsNow()).toEqual(pids)
    },
  )

  it('read-only: people can read and connect, readiness says so, and connections to the former primary are dropped once there is a new one', async () => {
    const database = new URL(cluster.databaseUrl).pathname.slice(1)
    const onlyRead = (mode: 'on' | 'off') =>
      cluster.sql.query(
        `begin read write; alter database "${database}" set default_transaction_read_only = ${mode}; commit`,
      )
    const readiness = async () => {
      const answers = [...cluster.gateways, ...cluster.apis, ...cluster.workers].map(async ({ adminUrl }) => {
        const answer = await fetch(`${adminUrl}/health/ready`)
        const { checks } = (await answer.json()) as { checks: Record<string, string> }
        return `${answer.status} ${checks.postgres}`
      })
      return [...new Set(await Promise.all(answers))]
    }
    await onlyRead('on')
    // As in a failover: connections end, and new ones reach a read-only server.
    await cluster.sql.query(
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'parley-%' and application_name <> 'parley-test'`,
    )
    // In service still: balancers would take all processes out of it, and nobody could read either.
    await expect.poll(readiness, { timeout: 10_000 }).toEqual(['200 takes no writes'])
    expect(errorOf(await send(`${SECRET} to a standby`)).code).toBe('UNAVAILABLE')
    // By a token that nobody has seen yet, and a name that cannot be written.
    const fresh = cluster.token({ ...fatima, fullName: 'Fatima R.' }, { iat: Math.floor(Date.now() / 1_000) - 7 })
    const api = apiClient(cluster.url, fresh)
    expect((await api.get<Message[]>(`${path()}?limit=1`)).status).toBe(200)
    expect(dataOf(await api.get('/api/users/me'))).toMatchObject({ fullName: fatima.fullName })
    expect(errorOf(await api.post(path(), { content: 'To a standby' })).code).toBe('UNAVAILABLE')
    expect(errorOf(await cluster.api(user('New')).get('/api/users/me')).code).toBe('UNAVAILABLE')
    const reader = await cluster.socket(zainab, { gateway: 1, transports: ['websocket'], timeout: 9_000 })
    expect(await emit(reader, 'sync', { conversations: {} })).toMatchObject({ success: true })
    reader.disconnect()
    await onlyRead('off')
    // Without writes, sessions that started on a standby would stay as they are.
    await expect.poll(readiness, { timeout: 20_000 }).toEqual(['200 ok'])
    await crossesAgain()
    expect(pidsNow()).toEqual(pids)
  })

  it('silent: somebody who disconnects while waiting to be let in is not let in later', async () => {
    const [waiting, impatient] = [user('Waiting'), user('Impatient')]
    /** Resolves when the transport is open and CONNECT has been sent. */
    const begin = async (who: typeof waiting, options: { reconnection: boolean }) => {
      const auth = { token: cluster.token(who) }
      const address = cluster.gateways[0]?.url ?? ''
      const socket = io(address, {
        ...options,
        auth,
        transports: ['websocket'],
        forceNew: true,
        reconnectionDelay: 100,
      })
      await new Promise<void>((resolve) => socket.io.once('open', resolve))
      return socket
    }
    postgres.stall()
    // Reconnects if the gateway gives up on the database before it is back.
    const first = await begin(waiting, { reconnection: true })
    const gone = await begin(impatient, { reconnection: false })
    // Closed once the gateway has answered this: it has then read everything before it, including CONNECT.
    const { ws } = gone.io.engine.transport as unknown as { ws: EventEmitter }
    const closed = once(ws, 'close')
    gone.disconnect()
    await closed
    const letIn = new Promise<void>((resolve) => first.once('connect', resolve))
    expect(first.connected).toBe(false)
    postgres.restore()
    await letIn
    first.disconnect()
    await cluster.socket(user('Next'), { gateway: 0, transports: ['websocket'] })
    // Everybody who is let in is recorded.
    const { rows } = await cluster.sql.query('select id from users where id = any($1)', [[waiting.id, impatient.id]])
    expect(rows).toEqual([{ id: waiting.id }])
  })
})

/** Retries as a client does that is told to. */
async function retried(attempt: () => Promise<Awaited<ReturnType<typeof send>>>): Promise<Message> {
  for (let tries = 1; ; tries++) {
    const answer = await attempt()
    if (answer.success || tries === 10) return dataOf(answer)
    expect(answer.error.code).toBe('UNAVAILABLE')
  }
}

it('after all this every process is alive, and no log contains content, a token or a secret', () => {
  expect(pidsNow()).toEqual(pids)
  const logs = cluster.logs()
  expect(logs).toContain('error from a service')
  const password = new URL(cluster.databaseUrl).password
  for (const hidden of [
    SECRET,
    cluster.jwtSecret,
    cluster.token(ahmed).split('.')[1] ?? '',
    ...(password ? [`:${password}@`] : []),
  ]) {
    expect(logs).not.toContain(hidden)
  }
})
