import { once } from 'node:events'
import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { answerNoRequest } from '../src/no-request.ts'

/* Input that is not a valid request gets one response in the envelope, but never in the middle of another response. */

let server: Server
let client: Socket
let answer: (response: ServerResponse) => void
beforeEach(async () => {
  server = createServer((_request, response) => answer(response)).on('clientError', answerNoRequest)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  client = connect((server.address() as AddressInfo).port, '127.0.0.1')
})
afterEach(() => {
  client.destroy()
  server.closeAllConnections()
  server.close()
})

it('a malformed second request does not corrupt the response to the first', async () => {
  const begun = new Promise<ServerResponse>((resolve) => {
    answer = (response) => {
      response.writeHead(200, { 'content-length': 10 })
      response.write('begun')
      resolve(response)
    }
  })
  client.write('GET / HTTP/1.1\r\nHost: x\r\n\r\n')
  await begun
  client.write('hello\r\n\r\n')
  const all = await text(client)
  expect(all).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  expect(all).toMatch(/\r\n\r\nbegun$/)
})
