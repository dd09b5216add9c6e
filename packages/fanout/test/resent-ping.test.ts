import { connect, createServer, type Socket } from 'node:net'
import { createTestRedis } from '@parley/testkit'
import { expect, it } from 'vitest'
import { Bus } from '../src/index.ts'

/** A way to Redis on which commands can be kept back by their name. */
async function watchedWay(target: { host: string; port: number }) {
  const sockets = new Set<Socket>()
  let command: string | undefined
  let keptBack = (): void => undefined
  let ponged = (): void => undefined
  const server = createServer((client) => {
    const upstream = connect(target)
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
      socket.once('close', () => [client, upstream].forEach((other) => void other.destroy()))
    }
    upstream.on('data', (piece) => {
      client.write(piece)
      if (piece.includes('PONG')) ponged()
    })
    client.on('data', (piece: Buffer) => {
      const name = command === undefined ? -1 : piece.indexOf(`\r\n${command}\r\n`)
      // A command begins with the count of its words.
      upstream.write(name < 0 ? piece : piece.subarray(0, piece.lastIndexOf('*', name)))
      if (name >= 0) keptBack()
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    /** From now on such a command and what comes with it do not get there. Resolves when one has been kept back. */
    keepBack: (name: string) =>
      new Promise<void>((resolve) => {
        command = name
        keptBack = resolve
      }),
    /** Resolves when Redis has answered a ping of a connection without subscriptions. */
    pong: () =>
      new Promise<void>((resolve) => {
        ponged = resolve
      }),
    cut: () => {
      for (const socket of sockets) socket.destroy()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
}

it('is not confirmed by a ping that was sent again on a new connection, ahead of its subscriptions', async () => {
  await using redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  await using way = await watchedWay({ host, port: Number(port) })
  const bus = new Bus(`redis://${host}:${way.port}`, 'test')
  bus.on('error', () => undefined)
  await bus.ready(5_000)
  bus.subscribe('a channel', () => undefined)
  expect(await bus.barrier(5_000)).toBe(true)
  const pinged = way.keepBack('ping')
  let confirmed: boolean | undefined
  void bus.barrier(60_000).then((answer) => {
    confirmed = answer
  })
  await pinged
  const again = Promise.all([way.keepBack('ssubscribe'), way.pong()])
  way.cut()
  await again
  // By the time that this has gone there and back, the pong has been read.
  await expect.poll(() => bus.publish('another channel', 'said')).toBe(true)
  expect(confirmed).toBeUndefined()
  await bus.close()
})
