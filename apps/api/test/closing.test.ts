import { once } from 'node:events'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import type { FastifyInstance } from 'fastify'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { closeApp } from '../src/closing.ts'
import { appWithoutServices } from './routes-of-the-app.ts'

/* A pod that is told to stop answers what has reached it, holds on to no connection, and is gone soon. */

let app: FastifyInstance
let slow: { begun: PromiseWithResolvers<void>; end: PromiseWithResolvers<void> }
let closing: PromiseWithResolvers<void>
let client: Socket

beforeEach(async () => {
  app = await appWithoutServices('production')
  slow = { begun: Promise.withResolvers(), end: Promise.withResolvers() }
  app.get('/slow', async () => {
    slow.begun.resolve()
    await slow.end.promise
    return { slow: true }
  })
  closing = Promise.withResolvers()
  app.addHook('preClose', async () => closing.resolve())
  await app.listen({ port: 0, host: '127.0.0.1' })
  client = connect((app.server.address() as AddressInfo).port, '127.0.0.1')
  await once(client, 'connect')
})
afterEach(async () => {
  client.destroy()
  await app.close()
})

it('an answer in progress closes its connection, which the client would have kept', async () => {
  client.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  await slow.begun.promise
  const closed = closeApp(app)
  await closing.promise
  slow.end.resolve()
  // Reads until the server closes the connection.
  const answer = await text(client)
  expect(answer).toMatch(/^HTTP\/1.1 200 OK\r\n/)
  expect(answer).toMatch(/\r\nconnection: close\r\n/i)
  expect(answer).toMatch(/{"slow":true}$/)
  await closed
})

const WHOLE = 'GET /api/users/me HTTP/1.1\r\nHost: x\r\n\r\n'

/** Sends a complete request and half of the next one in the same packet. */
async function askOnceAndAHalf(): Promise<void> {
  client.write(WHOLE + WHOLE.slice(0, 30))
  const [first] = await once(client, 'data')
  expect(String(first)).toContain('TOKEN_MISSING')
}

it('a request that has partly arrived is still answered', async () => {
  await askOnceAndAHalf()
  const closed = closeApp(app)
  await closing.promise
  client.write(WHOLE.slice(30))
  const answer = await text(client)
  expect(answer).toMatch(/^HTTP\/1.1 401 Unauthorized\r\n/)
  expect(answer).toContain('"code":"TOKEN_MISSING"')
  await closed
})

it('half a request that never completes does not keep the process alive', async () => {
  await askOnceAndAHalf()
  await closeApp(app, 50)
  expect(await text(client)).toBe('')
})
