import { connect, createServer, type Socket } from 'node:net'
import { createTestRedis, listenOnLoopback } from '@parley/testkit'
import { expect, it } from 'vitest'
import { Bus } from '../src/index.ts'

/** A proxy to Redis that can hold back commands by name. */
async function filteringProxy(target: { host: string; port: number }) {
  const sockets = new Set<Socket>()
  let command: string | undefined
  let onDropped = (): void => undefined
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
      // A command begins with its number of arguments.
      upstream.write(name < 0 ? piece : piece.subarray(0, piece.lastIndexOf('*', name)))
      if (name >= 0) onDropped()
    })
  })
  return {
    port: await listenOnLoopback(server),
    /** From now on drops such commands and what follows in the same chunk. Resolves when one has been dropped. */
    drop: (name: string) =>
      new Promise<void>((resolve) => {
        command = name
        onDropped = resolve
      }),
    /** Resolves when Redis has answered a ping on a connection without subscriptions. */
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

it('is not confirmed by a ping that was resent on a new connection, ahead of its subscriptions', async () => {
  await using redis = await createTestRedis()
  const { hostname: host, port } = new URL(redis.url)
  await using proxy = await filteringProxy({ host, port: Number(port) })
  const bus = new Bus(`redis://${host}:${proxy.port}`, 'test')
  bus.on('error', () => undefined)
  await bus.ready(5_000)
  bus.subscribe('a channel', () => undefined)
  expect(await bus.barrier(5_000)).toBe(true)
  const pinged = proxy.drop('ping')
  let confirmed: boolean | undefined
  void bus.barrier(60_000).then((answer) => {
    confirmed = answer
  })
  await pinged
  const resent = Promise.all([proxy.drop('ssubscribe'), proxy.pong()])
  proxy.cut()
  await resent
  // After this round trip the pong has been processed.
  await expect.poll(() => bus.publish('another channel', 'said')).toBe(true)
  expect(confirmed).toBeUndefined()
  await bus.close()
})
