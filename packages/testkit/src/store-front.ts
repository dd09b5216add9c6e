import { readFile } from 'node:fs/promises'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import https from 'node:https'
import { listenOnLoopback } from './listen.ts'
import { providedServices } from './provided.ts'

/** What happens to a request: it is forwarded, never answered, or refused with this status. */
export type Fate = 'pass' | 'silence' | number

/** A proxy in front of an S3 server that can make requests fail. */
export interface StoreFront extends AsyncDisposable {
  readonly endpoint: string
  /** Decides about each request; by default all pass. */
  judge: (method: string, url: URL) => Fate | Promise<Fate>
}

/** Starts a proxy on a free loopback port for the S3 server at `endpoint`, with TLS if that has it. */
export async function storeFront(endpoint: string): Promise<StoreFront> {
  const { protocol, hostname, port } = new URL(endpoint)
  const { request } = protocol === 'https:' ? https : http
  const onRequest = (incoming: IncomingMessage, answer: ServerResponse) => void serve(incoming, answer)
  const server = protocol === 'https:' ? await securedServer(onRequest) : http.createServer(onRequest)
  const front: StoreFront = {
    endpoint: `${protocol}//127.0.0.1:${await listenOnLoopback(server)}`,
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
    // Abort the client's request along with the upstream one.
    outgoing.on('error', () => answer.destroy())
    incoming.pipe(outgoing)
  }
  return front
}

async function securedServer(onRequest: http.RequestListener): Promise<https.Server> {
  const { tls } = providedServices()
  if (tls === null) throw new Error('This run has no certificate')
  const [cert, key] = await Promise.all([readFile(tls.certFile), readFile(tls.keyFile)])
  return https.createServer({ cert, key }, onRequest)
}
