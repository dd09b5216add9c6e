import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** What becomes of a request: it is passed on, never answered, or refused with this status. */
export type Fate = 'pass' | 'silence' | number

/** Stands before an S3 server, for tests of a store that does not do all that it is asked. */
export interface StoreFront extends AsyncDisposable {
  readonly endpoint: string
  /** Asked of each request; all pass until a test says otherwise. */
  judge: (method: string, url: URL) => Fate | Promise<Fate>
}

/** Starts a front on a free loopback port before the S3 server at `endpoint`. */
export async function storeFront(endpoint: string): Promise<StoreFront> {
  const { hostname, port } = new URL(endpoint)
  const server = createServer((incoming, answer) => void serve(incoming, answer))
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const front: StoreFront = {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    judge: () => 'pass',
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      server.close()
    },
  }
  async function serve(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const { method = 'GET', url: path = '/', headers } = incoming
    const fate = await front.judge(method, new URL(path, endpoint))
    if (fate === 'silence') return
    if (fate !== 'pass') {
      incoming.resume()
      answer.writeHead(fate, { 'content-type': 'application/xml' })
      answer.end(`<Error><Code>${fate === 403 ? 'AccessDenied' : 'InternalError'}</Code></Error>`)
      return
    }
    const outgoing = request({ hostname, port, method, path, headers }, (reply) => {
      answer.writeHead(reply.statusCode ?? 502, reply.headers)
      reply.pipe(answer)
    })
    // A client that is gone takes its request with it.
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  }
  return front
}
