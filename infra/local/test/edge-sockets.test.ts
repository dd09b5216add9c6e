import { once } from 'node:events'
import { createServer } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket as TcpSocket } from 'node:net'
import { Server } from 'socket.io'
import { io, type Socket } from 'socket.io-client'
import { afterEach, expect, test } from 'vitest'
import { startEdge, type Target } from '../src/edge.ts'

const HOST = '127.0.0.1'
const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

interface Gateway {
  name: string
  target: Target
  server: Server
  /** Stops it at once, as a kill would: its sockets are cut, and nothing listens on its port any more. */
  vanish(): Promise<void>
}

async function gateway(name: string): Promise<Gateway> {
  const http = createServer()
  const server = new Server(http, { cookie: { name: 'io', path: '/', httpOnly: true }, pingInterval: 1000 })
  server.on('connection', (socket) => socket.emit('whoami', name))
  http.listen(0, HOST)
  await once(http, 'listening')
  cleanups.push(async () => {
    await server.close()
    http.closeAllConnections()
  })
  const vanish = async () => {
    const closed = new Promise((resolve) => http.close(resolve))
    server.engine.close()
    http.closeAllConnections()
    await closed
  }
  return { name, server, target: { host: HOST, port: (http.address() as AddressInfo).port }, vanish }
}

async function edgeFor(targets: () => Target[]) {
  const edge = await startEdge({ port: 0, host: HOST, targets: { api: () => [], gateway: targets } })
  cleanups.push(() => edge.close())
  return edge
}

function client(port: number, options: Parameters<typeof io>[1] = {}): Socket {
  const socket = io(`http://${HOST}:${port}`, { forceNew: true, reconnectionDelay: 50, ...options })
  cleanups.push(() => socket.close())
  return socket
}

/** Returns the name of the gateway that a new client reaches, once it has upgraded. */
async function arrives(socket: Socket): Promise<string> {
  const failed = new Promise<never>((_, reject) => socket.once('connect_error', reject))
  const named = new Promise<string>((resolve) => socket.once('whoami', resolve))
  const connected = new Promise<void>((resolve) => socket.once('connect', resolve))
  await Promise.race([connected, failed])
  if (socket.io.engine.transport.name === 'polling') {
    await new Promise((resolve) => socket.io.engine.once('upgrade', resolve))
  }
  return named
}

test('60 polling-first clients without cookies all connect and upgrade, spread evenly over three gateways', async () => {
  const gateways = [await gateway('a'), await gateway('b'), await gateway('c')]
  const edge = await edgeFor(() => gateways.map(({ target }) => target))
  const names: string[] = []
  for (let wave = 0; wave < 6; wave++) {
    names.push(...(await Promise.all(Array.from({ length: 10 }, () => arrives(client(edge.port))))))
  }
  expect(names).toHaveLength(60)
  for (const { name } of gateways) {
    expect(names.filter((one) => one === name).length).toBeGreaterThanOrEqual(15)
  }
})

test('polling only works: many requests of one session reach the gateway that created it', async () => {
  const gateways = [await gateway('a'), await gateway('b'), await gateway('c')]
  const edge = await edgeFor(() => gateways.map(({ target }) => target))
  for (const { server } of gateways) {
    server.on('connection', (socket) => socket.on('echo', (text, ack) => ack(text)))
  }
  const sockets = Array.from({ length: 9 }, () => client(edge.port, { transports: ['polling'] }))
  await Promise.all(
    sockets.map(async (socket, index) => {
      for (let i = 0; i < 20; i++) {
        expect(await socket.timeout(5000).emitWithAck('echo', `${index}/${i}`)).toBe(`${index}/${i}`)
      }
    }),
  )
})

test('a polling session stays at its gateway even while that gets no new ones', async () => {
  const [a, b] = [await gateway('a'), await gateway('b')]
  let ready = [a]
  const edge = await edgeFor(() => ready.map(({ target }) => target))
  a.server.on('connection', (socket) => socket.on('echo', (text, ack) => ack(text)))
  const named = (socket: Socket) => new Promise<string>((resolve) => socket.once('whoami', resolve))
  const socket = client(edge.port, { transports: ['polling'] })
  expect(await named(socket)).toBe('a')
  ready = [b]
  expect(await socket.timeout(5000).emitWithAck('echo', 'still here')).toBe('still here')
  expect(await named(client(edge.port, { transports: ['polling'] }))).toBe('b')
})

test('clients of a gateway that goes away reconnect to another', async () => {
  const [a, b] = [await gateway('a'), await gateway('b')]
  const alive = [a, b]
  const edge = await edgeFor(() => alive.map(({ target }) => target))
  const sockets = Array.from({ length: 6 }, () => client(edge.port))
  const names = await Promise.all(sockets.map(arrives))
  expect(new Set(names)).toEqual(new Set(['a', 'b']))
  const movers = sockets.filter((_, index) => names[index] === 'a')
  const moved = movers.map((socket) => new Promise<string>((resolve) => socket.once('whoami', resolve)))
  // Still listed: the edge has to find out that nothing listens there any more.
  await a.vanish()
  expect(new Set(await Promise.all(moved))).toEqual(new Set(['b']))
})

test('an upgrade of a session that no gateway knows gets the gateway’s own refusal', async () => {
  const { target } = await gateway('a')
  const edge = await edgeFor(() => [target])
  const reply = await rawUpgrade(edge.port, '/socket.io/?EIO=4&transport=websocket&sid=unknown')
  expect(reply).toMatch(/^HTTP\/1\.1 400 /)
  expect(reply).toContain('Session ID unknown')
})

test('an upgrade without a gateway gets 503, one at another path 404, and both sockets are closed', async () => {
  const edge = await edgeFor(() => [])
  expect(await rawUpgrade(edge.port, '/socket.io/?EIO=4&transport=websocket')).toMatch(
    /^HTTP\/1\.1 503 .*"code":"UNAVAILABLE"/s,
  )
  expect(await rawUpgrade(edge.port, '/elsewhere')).toMatch(/^HTTP\/1\.1 404 .*"code":"NOT_FOUND"/s)
})

test.each(['end', 'destroy', 'resetAndDestroy'] as const)(
  'when either side of a WebSocket closes by %s, the other side closes, too',
  async (way) => {
    for (const leaver of ['client', 'gateway'] as const) {
      const { edge, accepted } = await rawGateway()
      const near = connect(edge.port, HOST)
      near.on('error', () => undefined)
      near.write(upgradeRequest('/socket.io/?EIO=4&transport=websocket'))
      const far = await accepted
      await once(near, 'data')
      const [leaving, staying] = leaver === 'client' ? [near, far] : [far, near]
      const closed = once(staying, 'close')
      staying.resume()
      leaving[way]()
      await closed
    }
  },
)

/** A gateway that accepts any WebSocket handshake and leaves the raw socket to the test. */
async function rawGateway() {
  const accepted = Promise.withResolvers<TcpSocket>()
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      accepted.resolve(socket)
    })
  })
  server.listen(0, HOST)
  await once(server, 'listening')
  cleanups.push(() => server.close())
  const edge = await edgeFor(() => [{ host: HOST, port: (server.address() as AddressInfo).port }])
  return { edge, accepted: accepted.promise }
}

function upgradeRequest(path: string): string {
  return `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`
}

/** Returns everything that the edge writes in answer to a WebSocket handshake until it closes the socket. */
async function rawUpgrade(port: number, path: string): Promise<string> {
  const socket = connect(port, HOST)
  socket.write(upgradeRequest(path))
  let reply = ''
  for await (const chunk of socket) reply += chunk
  return reply
}
