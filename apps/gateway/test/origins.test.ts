import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { connect as connectTcp } from 'node:net'
import { type Cluster, connect, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/* Who may open a connection: pages from which origins, and how many from one address. */

const CHAT = 'https://chat.example.com'
const LIMIT = 8
let cluster: Cluster
let url: string
beforeAll(async () => {
  const env = { CORS_ORIGINS: CHAT, HANDSHAKES_PER_ADDRESS_PER_10S: String(LIMIT), TRUSTED_PROXIES: '1' }
  cluster = await startCluster({ apis: 0, gateways: 1, workers: 0, edge: false, env })
  url = cluster.url
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Returns an address that no other test uses. */
const someAddress = () => `198.18.${randomInt(256)}.${randomInt(1, 255)}`

function handshake(headers: Record<string, string>, query = ''): Promise<Response> {
  const all = { 'x-forwarded-for': someAddress(), ...headers }
  return fetch(`${url}/socket.io/?EIO=4&transport=polling${query}`, { headers: all })
}

it('serves nothing but sockets, and says so in the envelope', async () => {
  for (const path of ['/', '/socket.io', '/api/users/me']) {
    const answer = await fetch(url + path)
    const message = 'There is nothing at this address.'
    const error = { code: 'NOT_FOUND', message }
    expect([answer.status, await answer.json()]).toEqual([404, { success: false, message, error }])
  }
})

/** Returns the raw response to a GET with these header lines. */
function answerTo(path: string, headers: readonly string[]): Promise<string> {
  return answerToBytes([`GET ${path} HTTP/1.1`, ...headers, '', ''].join('\r\n'))
}

/** Sends raw bytes and returns the raw response. */
async function answerToBytes(sent: string): Promise<string> {
  const { hostname, port } = new URL(url)
  const socket = connectTcp(Number(port), hostname)
  socket.write(sent)
  const chunks = await Promise.race([once(socket, 'data'), once(socket, 'close').then(() => ['nothing'])])
  socket.destroy()
  return String(chunks[0])
}

const UPGRADE = [
  'Connection: Upgrade',
  'Upgrade: websocket',
  'Sec-WebSocket-Version: 13',
  `Sec-WebSocket-Key: ${'x'.repeat(22)}==`,
]

it.each([
  ['what is no HTTP', 'hello\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['20 kB of headers', `GET / HTTP/1.1\r\nHost: x\r\nx-much: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
])('answers %s in the envelope, as the api does', async (_what, sent, status, code) => {
  const [head = '', body = ''] = (await answerToBytes(sent)).split('\r\n\r\n')
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\ncontent-type: application/json`, 's'))
  expect(JSON.parse(body)).toMatchObject({ success: false, error: { code } })
})

it.each([
  ['no host', []],
  ['two hosts', ['Host: x', 'Host: y']],
])('refuses a request for %s, and says so', async (_what, hosts) => {
  const socketIo = '/socket.io/?EIO=4&transport='
  expect(await answerTo('/', hosts)).toMatch(/^HTTP\/1\.1 400 .*"code":"MALFORMED_REQUEST"/s)
  expect(await answerTo(`${socketIo}polling`, hosts)).toMatch(/^HTTP\/1\.1 400 .*Bad request/s)
  expect(await answerTo(`${socketIo}websocket`, [...hosts, ...UPGRADE])).toMatch(/^HTTP\/1\.1 400 .*Bad request/s)
})

it('says why it refuses a WebSocket', async () => {
  const headers = ['Host: x', 'Origin: https://evil.example', ...UPGRADE]
  const path = '/socket.io/?EIO=4&transport=websocket'
  const answer = await answerTo(path, headers)
  expect(answer).toMatch(/^HTTP\/1\.1 400 .*Pages from this origin may not connect\.$/s)
  // If it accepts one, the first packet is sent along with the response, in one write.
  expect(await answerTo(path, ['Host: x', ...UPGRADE])).toMatch(/^HTTP\/1\.1 101 .*"sid"/s)
})

describe('a page from another origin', () => {
  it('may open a socket and read the answers if CORS_ORIGINS lists it', async () => {
    const answer = await handshake({ origin: CHAT })
    expect([answer.status, answer.headers.get('access-control-allow-origin')]).toEqual([200, CHAT])
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull()
    expect(answer.headers.get('x-content-type-options')).toBe('nosniff')
  })

  it.each(['https://evil.example', 'https://chat.example.com.evil.example', 'http://chat.example.com', 'null'])(
    'opens none otherwise: %s',
    async (origin) => {
      const answer = await handshake({ origin })
      expect(answer.status).toBe(403)
      expect(answer.headers.get('access-control-allow-origin')).not.toBe(origin)
      const options = { auth: { token: cluster.token(user()) }, transports: ['websocket' as const] }
      const extraHeaders = { origin, 'x-forwarded-for': someAddress() }
      await expect(connect(url, { ...options, extraHeaders })).rejects.toThrow('websocket error')
    },
  )

  it('does not include the cluster’s own page, nor clients that are not browsers', async () => {
    expect((await handshake({ origin: new URL(url).origin })).status).toBe(200)
    expect((await handshake({})).status).toBe(200)
  })
})

describe('new connections from one address', () => {
  const statuses = async (make: (index: number) => Promise<Response>) =>
    (await Promise.all(Array.from({ length: LIMIT + 4 }, (_, index) => make(index)))).map(({ status }) => status).sort()
  const bounded = [...Array<number>(LIMIT).fill(200), ...Array<number>(4).fill(403)]

  it('are counted by the address that the balancer saw, whatever the client adds to the header', async () => {
    const seen = someAddress()
    const forged = (index: number) => ({ 'x-forwarded-for': `203.0.113.${index}, ${seen}` })
    expect(await statuses((index) => handshake(forged(index)))).toEqual(bounded)
    expect((await handshake({ 'x-forwarded-for': `${seen}, ${someAddress()}` })).status).toBe(200)
  })

  it('are counted by the /64 network with IPv6', async () => {
    const network = `2001:db8:${randomInt(65_536).toString(16)}:1`
    expect(await statuses((index) => handshake({ 'x-forwarded-for': `${network}::${index + 1}` }))).toEqual(bounded)
  })

  it.each(['&sid=', '&xsid=1', '&q=sid%3Dabc&sid='])('are counted even if the URL contains %s', async (query) => {
    const headers = { 'x-forwarded-for': someAddress() }
    expect(await statuses(() => handshake(headers, query))).toEqual(bounded)
  })
})
