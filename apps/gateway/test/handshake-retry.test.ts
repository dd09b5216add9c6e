import { ownPostgres, ownRedis, providedServices, startCluster, tcpProxy, user } from '@parley/testkit'
import { io } from 'socket.io-client'
import { expect, it } from 'vitest'

it('a stock client that connects while the database is away is connected once it is back', async () => {
  await using postgres = await ownPostgres(() => undefined)
  await using redis = await ownRedis()
  await using cluster = await startCluster({
    services: { database: postgres, redis },
    gateways: 1,
    apis: 0,
    workers: 0,
    edge: false,
  })
  await postgres.stop()
  const socket = io(cluster.gateways[0]?.url ?? '', {
    auth: { token: cluster.token(user()) },
    transports: ['websocket'],
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    forceNew: true,
  })
  try {
    // A connect_error would be final: stock clients do not retry after one.
    const refusals: unknown[] = []
    socket.on('connect_error', (error: Error & { data?: unknown }) => refusals.push(error.data))
    const connected = new Promise<void>((resolve) => socket.once('connect', resolve))
    await new Promise<void>((resolve) => socket.io.once('reconnect_attempt', () => resolve()))
    await postgres.start()
    await connected
    expect(refusals.filter((data) => data !== undefined)).toEqual([])
  } finally {
    socket.disconnect()
  }
})

it('a client that connects just before the database is back is let in on the same connection', async () => {
  const { hostname, port } = new URL(providedServices().postgres.adminUrl)
  await using postgres = await tcpProxy({ host: hostname, port: Number(port || 5432) })
  await using cluster = await startCluster({
    databaseUrl: (real) => postgres.rewrite(real),
    env: { LOG_LEVEL: 'debug' },
    gateways: 1,
    apis: 0,
    workers: 0,
    edge: false,
  })
  postgres.cut()
  const socket = io(cluster.gateways[0]?.url ?? '', {
    auth: { token: cluster.token(user()) },
    transports: ['websocket'],
    reconnection: false,
    forceNew: true,
  })
  try {
    const connected = new Promise<string>((resolve) => {
      socket.once('connect', () => resolve('connected'))
      socket.io.once('close', (reason) => resolve(reason))
    })
    const asked = expect.poll(() => cluster.logs('gateway-1'), { timeout: 8_000 }).toContain('a handshake is waiting')
    await Promise.race([connected, asked])
    postgres.restore()
    expect(await connected).toBe('connected')
  } finally {
    socket.disconnect()
  }
})
