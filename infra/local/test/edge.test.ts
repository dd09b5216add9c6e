import { once } from 'node:events'
import { Agent, createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { type Edge, startEdge, type Target } from '../src/edge.ts'

const HOST = '127.0.0.1'
const cleanups: (() => Promise<unknown> | unknown)[] = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function pod(handler: (request: IncomingMessage, response: ServerResponse) => void) {
  const server = createServer(handler)
  server.listen(0, HOST)
  await once(server, 'listening')
  cleanups.push(() => stop(server))
  return { server, target: { host: HOST, port: (server.address() as AddressInfo).port } }
}

function stop(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve())
    server.closeAllConnections()
  })
}

async function edgeFor(api: Target[], gateway: Target[] = []): Promise<Edge & { url: string }> {
  const edge = await startEdge({ port: 0, host: HOST, targets: { api: () => api, gateway: () => gateway } })
  cleanups.push(() => edge.close())
  return { ...edge, url: `http://${HOST}:${edge.port}` }
}

/** Returns a port that nothing listens on. */
async function deadTarget(): Promise<Target> {
  const { server, target } = await pod(() => undefined)
  await stop(server)
  return target
}

const names = (name: string) => (_: IncomingMessage, response: ServerResponse) => void response.end(name)

test('requests under /api go to the pods in turn', async () => {
  const [a, b] = [await pod(names('a')), await pod(names('b'))]
  const { url } = await edgeFor([a.target, b.target])
  const answers: string[] = []
  for (let i = 0; i < 4; i++) answers.push(await (await fetch(`${url}/api/x`)).text())
  expect(answers.sort()).toEqual(['a', 'a', 'b', 'b'])
})

test('a request that offers another protocol, as those of Java and curl do, is answered as if it did not', async () => {
  const alive = await pod((incoming, response) => void incoming.pipe(response))
  const { port } = await edgeFor([alive.target])
  const headers = { connection: 'Upgrade, HTTP2-Settings', upgrade: 'h2c', 'http2-settings': 'AAMAAABkAAQAAP__' }
  const sent = request({ host: HOST, port, path: '/api/echo', method: 'POST', headers })
  sent.end('the body')
  const [answer]: IncomingMessage[] = await once(sent, 'response')
  expect(answer?.statusCode).toBe(200)
  expect(await answer?.toArray().then((chunks) => chunks.join(''))).toBe('the body')
})

test('a pod that is away is skipped, even for a request with a body', async () => {
  const alive = await pod((incoming, response) => void incoming.pipe(response))
  const { url } = await edgeFor([await deadTarget(), alive.target, await deadTarget()])
  for (let i = 0; i < 6; i++) {
    const answer = await fetch(`${url}/api/echo`, { method: 'POST', body: `body ${i}` })
    expect(await answer.text()).toBe(`body ${i}`)
  }
})

test('a kept-alive connection that the pod has just closed is reopened, even to the only pod', async () => {
  const used = new WeakSet<object>()
  const once = await pod((incoming, response) => {
    if (used.has(incoming.socket)) incoming.socket.destroy()
    used.add(incoming.socket)
    response.end('here')
  })
  const { url } = await edgeFor([once.target])
  for (let i = 0; i < 4; i++) {
    const answer = await fetch(`${url}/api/x`)
    expect([answer.status, await answer.text()]).toEqual([200, 'here'])
  }
})

test('no pod at all: 503 in the envelope, with a retry time', async () => {
  for (const targets of [[], [await deadTarget()]]) {
    const { url } = await edgeFor(targets)
    const answer = await fetch(`${url}/api/x`)
    expect(answer.status).toBe(503)
    expect(answer.headers.get('retry-after')).toBe('1')
    expect(await answer.json()).toMatchObject({ success: false, error: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } })
  }
})

test('a POST is never sent twice: 502 when its pod dies', async () => {
  let posts = 0
  const dying = await pod((incoming) => {
    posts++
    incoming.socket.destroy()
  })
  const other = await pod((_, response) => {
    posts++
    response.end()
  })
  const { url } = await edgeFor([dying.target, other.target])
  const answer = await fetch(`${url}/api/x`, { method: 'POST', body: 'once' })
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([502, '1'])
  expect(await answer.json()).toMatchObject({ success: false, error: { code: 'UNAVAILABLE', retryAfterMs: 1_000 } })
  expect(posts).toBe(1)
  expect((await fetch(`${url}/api/x`)).status).toBe(200)
})

test('hop-by-hop fields are dropped, the others are forwarded, and the pod learns the client’s address', async () => {
  const seen = Promise.withResolvers<IncomingMessage>()
  const { target } = await pod((incoming, response) => {
    seen.resolve(incoming)
    response.writeHead(207, 'Many', {
      connection: 'x-drop',
      'x-drop': '1',
      'x-keep': '2',
      'set-cookie': ['a=1', 'b=2'],
    })
    response.end('ok')
  })
  const { port } = await edgeFor([target])
  const headers = { connection: 'x-mine', 'x-mine': '1', te: 'trailers', 'x-forwarded-for': '10.1.1.1', 'x-other': '3' }
  const outgoing = request({ host: HOST, port, path: '/api/x?y=%20z', headers }).end()
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  answer.resume()
  const incoming = await seen.promise
  expect(incoming.url).toBe('/api/x?y=%20z')
  expect(incoming.headers).toMatchObject({ 'x-other': '3', host: `${HOST}:${port}`, via: '1.1 parley-edge' })
  expect(incoming.headers['x-forwarded-for']).toBe('10.1.1.1, 127.0.0.1')
  expect(incoming.headers).not.toHaveProperty('x-mine')
  expect(incoming.headers).not.toHaveProperty('te')
  expect([answer.statusCode, answer.statusMessage]).toEqual([207, 'Many'])
  expect(answer.headers).toMatchObject({ 'x-keep': '2', 'set-cookie': ['a=1', 'b=2'] })
  expect(answer.headers).not.toHaveProperty('x-drop')
})

test('bodies are streamed, not buffered, both ways', async () => {
  const { target } = await pod((incoming, response) => void incoming.pipe(response))
  const { port } = await edgeFor([target])
  const outgoing = request({ host: HOST, port, path: '/api/echo', method: 'POST' })
  outgoing.write('first')
  const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
  const [first] = (await once(answer, 'data')) as [Buffer]
  expect(first.toString()).toBe('first')
  outgoing.end('second')
  const [second] = (await once(answer, 'data')) as [Buffer]
  expect(second.toString()).toBe('second')
})

test('64 MB pass through intact', async () => {
  const { target } = await pod((incoming, response) => {
    let bytes = 0
    incoming.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    incoming.on('end', () => response.end(String(bytes)))
  })
  const { url } = await edgeFor([target])
  const body = Buffer.alloc(64 * 1024 * 1024, 7)
  expect(await (await fetch(`${url}/api/upload`, { method: 'PUT', body })).text()).toBe(String(body.length))
})

test('a refusal before the end of the body reaches a client that is still sending', async () => {
  const { target } = await pod((_, response) => {
    response.writeHead(413, { connection: 'close' })
    response.end('too large')
  })
  const { url } = await edgeFor([target])
  const answer = await fetch(`${url}/api/upload`, { method: 'POST', body: Buffer.alloc(8 * 1024 * 1024) })
  expect([answer.status, await answer.text()]).toEqual([413, 'too large'])
})

test('a connection whose body nobody read can be used for the next request', async () => {
  // Closes the connection with the body unread, like a pod that dies.
  const { server, target } = await pod((incoming, response) => {
    if (incoming.url === '/api/next') return void response.end('next')
    incoming.socket.destroy()
  })
  const { url } = await edgeFor([target])
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  cleanups.push(() => agent.destroy())
  const ports = new Set<number | undefined>()
  const send = async (method: string, path: string, body: string) => {
    const outgoing = request(`${url}${path}`, { method, agent })
    outgoing.end(body)
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage]
    answer.resume()
    await once(answer, 'end')
    ports.add(outgoing.socket?.localPort)
    return answer.statusCode
  }
  expect(await send('POST', '/api/large', 'x'.repeat(8 * 1_048_576))).toBe(502)
  expect(await send('GET', '/api/next', '')).toBe(200)
  await stop(server)
  expect(await send('POST', '/api/large', 'x'.repeat(8 * 1_048_576))).toBe(503)
  expect(await send('GET', '/api/next', '')).toBe(503)
  expect(ports.size).toBe(1)
})

test('when a client disconnects, its request to the pod is aborted', async () => {
  const arrived = Promise.withResolvers<void>()
  const aborted = Promise.withResolvers<void>()
  const { target } = await pod((_, response) => {
    response.once('close', aborted.resolve)
    arrived.resolve()
  })
  const { url } = await edgeFor([target])
  const abort = new AbortController()
  const asked = fetch(`${url}/api/slow`, { signal: abort.signal })
  await arrived.promise
  abort.abort()
  await expect(asked).rejects.toThrow()
  await aborted.promise
})

test('a truncated answer arrives as truncated, not as complete', async () => {
  const { target } = await pod((_, response) => {
    response.write('half', () => response.destroy())
  })
  const { url } = await edgeFor([target])
  const answer = await fetch(`${url}/api/x`)
  await expect(answer.text()).rejects.toThrow()
})

test('the page at / says what is running; other paths are 404 in the envelope', async () => {
  const { url, port } = await edgeFor([], [{ host: HOST, port: 5001 }])
  expect(await (await fetch(url)).text()).toContain('gateway on 127.0.0.1:5001')
  const missing = await fetch(`${url}/nothing`)
  expect(missing.status).toBe(404)
  expect(await missing.json()).toMatchObject({ error: { code: 'NOT_FOUND' } })
  const socket = connect(port, HOST)
  socket.write('GET http:// HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  const [head] = (await once(socket, 'data')) as [Buffer]
  expect(head.toString()).toMatch(/^HTTP\/1\.1 400 .*"code":"VALIDATION_FAILED"/s)
  socket.destroy()
})

test('a port in use is an error for the caller', async () => {
  const { port } = await edgeFor([])
  const again = startEdge({ port, host: HOST, targets: { api: () => [], gateway: () => [] } })
  await expect(again).rejects.toMatchObject({ code: 'EADDRINUSE' })
})
