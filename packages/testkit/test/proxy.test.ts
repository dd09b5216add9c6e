import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { expect, onTestFinished, test } from 'vitest'
import { listenOnLoopback, tcpProxy } from '../src/index.ts'

/** Starts an echo server behind a proxy. @returns the proxy, and a function that opens a connection */
async function echoBehindProxy() {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.pipe(socket)
  })
  const proxy = await tcpProxy({ host: '127.0.0.1', port: await listenOnLoopback(server) })
  const open = async () => {
    const client = connect(proxy.port, '127.0.0.1')
    client.on('error', () => undefined)
    await once(client, 'connect')
    return client
  }
  onTestFinished(async () => {
    await proxy[Symbol.asyncDispose]()
    server.close()
  })
  return { proxy, open }
}

test('forwards bytes both ways in order, delayed by the latency', async () => {
  const { proxy, open } = await echoBehindProxy()
  const client = await open()
  client.setEncoding('utf8')
  let received = ''
  const all = new Promise<void>((resolve) => {
    client.on('data', (text: string) => {
      received += text
      if (received.endsWith('.')) resolve()
    })
  })
  proxy.latency(50)
  const start = performance.now()
  for (const part of ['delayed ', 'and ', 'in ', 'order.']) client.write(part)
  await all
  expect(received).toBe('delayed and in order.')
  // Once in each direction; a timer may fire a millisecond early.
  expect(performance.now() - start).toBeGreaterThan(95)
})

test('cut closes connections and refuses new ones until restored', async () => {
  const { proxy, open } = await echoBehindProxy()
  const client = await open()
  client.resume()
  const dropped = once(client, 'close')
  proxy.cut()
  await dropped
  const refused = await open()
  refused.resume()
  await once(refused, 'close')
  proxy.restore()
  const again = await open()
  again.write('back')
  expect(String((await once(again, 'data'))[0])).toBe('back')
})

test('a stalled connection stays open and delivers when restored', async () => {
  const { proxy, open } = await echoBehindProxy()
  const client = await open()
  client.write('1')
  await once(client, 'data')
  proxy.stall()
  client.write('2')
  const second = once(client, 'data')
  proxy.restore()
  expect(String((await second)[0])).toBe('2')
})

test('rewrites the host and port of a URL and keeps the rest', async () => {
  const { proxy } = await echoBehindProxy()
  expect(proxy.rewrite('postgres://user:secret@db:5432/parley?x=1')).toBe(
    `postgres://user:secret@127.0.0.1:${proxy.port}/parley?x=1`,
  )
})
