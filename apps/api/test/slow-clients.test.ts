import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { type FastifyInstance, fastify } from 'fastify'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { limitBodyTime } from '../src/body-time.ts'
import { appWithoutServices } from './routes-of-the-app.ts'

/* Somebody who begins a request and does not end it holds a connection for a while, and no longer. */

let app: FastifyInstance
/** The server's sockets. */
const accepted: Socket[] = []

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(async () => {
  vi.useRealTimers()
  for (const socket of accepted.splice(0)) socket.destroy()
  await app.close()
})

async function listen(): Promise<void> {
  app.server.on('connection', (socket) => accepted.push(socket))
  await app.listen({ port: 0, host: '127.0.0.1' })
}

/** A separate app, because forms are only read with a person and a store. */
function formApp(): FastifyInstance {
  const form = fastify()
  form.addHook('onRequest', limitBodyTime)
  form.addContentTypeParser('multipart/form-data', (_request, body, done) => body.once('end', done).resume())
  form.post('/', async () => 'read')
  return form
}

const BEGINNING = '{"user"'

/** Sends the head of a POST and only the beginning of its body. Resolves when the server has started to answer. */
async function begin(path: string, contentType: string): Promise<Socket> {
  const begun = once(app.server, 'request')
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  // The connection may be reset, which is what the tests wait for.
  socket.on('error', () => undefined)
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: ${contentType}\r\nContent-Length: 1000\r\n\r\n${BEGINNING}`,
  )
  await begun
  return socket
}

it('a head may take half a minute, and no request longer than a large file on a slow connection', async () => {
  app = await appWithoutServices('test')
  expect(app.server).toMatchObject({ headersTimeout: 30_000, requestTimeout: 900_000 })
})

/** Sends bytes that need not be a valid request. */
function ask(sent: string): Socket {
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  // The whole answer has arrived before the connection is closed with unread data.
  socket.on('error', () => undefined)
  socket.write(sent)
  return socket
}

async function expectEnvelope(socket: Socket, status: number, code: string): Promise<void> {
  const [answer] = await once(socket, 'data')
  const [head = '', body = ''] = String(answer).split('\r\n\r\n')
  expect(head).toMatch(new RegExp(`^HTTP/1.1 ${status} .*\r\ncontent-type: application/json`, 's'))
  expect(JSON.parse(body)).toMatchObject({ success: false, error: { code } })
}

it.each([
  ['no HTTP', 'hello\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  [
    'two lengths',
    'GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    400,
    'MALFORMED_REQUEST',
  ],
  ['20 kB of headers', `GET / HTTP/1.1\r\nHost: x\r\nx-much: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'HEADERS_TOO_LARGE'],
])('%s is answered in the envelope, and the connection closed', async (_what, sent, status, code) => {
  app = await appWithoutServices('test')
  await listen()
  const socket = ask(sent)
  const closed = once(socket, 'close')
  await expectEnvelope(socket, status, code)
  await closed
})

it.each([
  ['no host', 'GET / HTTP/1.1\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['two hosts', 'GET / HTTP/1.1\r\nHost: x\r\nhost: y\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['an old request for two hosts', 'GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n', 400, 'MALFORMED_REQUEST'],
  ['an old request for no host', 'GET / HTTP/1.0\r\n\r\n', 404, 'NOT_FOUND'],
])('%s is answered in the envelope', async (_what, sent, status, code) => {
  app = await appWithoutServices('test')
  await listen()
  await expectEnvelope(ask(sent), status, code)
})

it('a head that never ends is answered in the envelope', async () => {
  app = await appWithoutServices('test')
  await listen()
  const { port } = app.server.address() as AddressInfo
  const socket = connect(port, '127.0.0.1')
  const arrived = once(app.server, 'connection')
  socket.write('GET / HTTP/1.1\r\nHost: x\r\n')
  const [there] = await arrived
  app.server.emit('clientError', Object.assign(new Error(), { code: 'ERR_HTTP_REQUEST_TIMEOUT' }), there)
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1.1 408 .*\r\nretry-after: 1\r\n.*"code":"REQUEST_TIMEOUT"/s)
})

it('a body may take half a minute', async () => {
  app = await appWithoutServices('test')
  await listen()
  const socket = await begin('/api/dev/session', 'application/json')
  const closed = once(socket, 'close')
  await vi.advanceTimersByTimeAsync(29_000)
  expect(accepted[0]?.destroyed).toBe(false)
  await vi.advanceTimersByTimeAsync(1_500)
  await closed
})

it('a form with files may take longer, but not stall for a minute', async () => {
  app = formApp()
  await listen()
  const socket = await begin('/', 'multipart/form-data; boundary=x')
  const closed = once(socket, 'close')
  await vi.advanceTimersByTimeAsync(120_000)
  expect(accepted[0]).toMatchObject({ destroyed: false, timeout: 60_000 })
  // What Node emits for a socket that has been inactive for that long.
  accepted[0]?.emit('timeout')
  await closed
})

it('a connection that is idle after a form is closed like any other', async () => {
  app = formApp()
  app.server.keepAliveTimeout = 200
  await listen()
  const socket = await begin('/', 'multipart/form-data; boundary=x')
  const closed = once(socket, 'close')
  socket.write(Buffer.alloc(1_000 - BEGINNING.length))
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 200 /)
  await closed
})

it('the rest of a refused body is read for ten seconds, so that the refusal arrives', async () => {
  app = await appWithoutServices('test')
  await listen()
  const socket = await begin('/api/messages/conversations', 'application/json')
  const closed = once(socket, 'close')
  const [answer] = await once(socket, 'data')
  expect(String(answer)).toMatch(/^HTTP\/1\.1 401 /)
  await vi.advanceTimersByTimeAsync(9_000)
  expect(accepted[0]?.destroyed).toBe(false)
  await vi.advanceTimersByTimeAsync(1_500)
  await closed
})
