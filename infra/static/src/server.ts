import { createServer, type Server, type ServerResponse } from 'node:http'
import { closeInTime } from '@parley/runtime'
import { serveWebFiles } from './web-files.ts'

/** Longer than balancers keep idle connections (usually 60 s), in milliseconds. */
const KEEP_ALIVE_MS = 72_000

export interface StaticServerOptions {
  directory: string
  storageOrigin: string | undefined
}

/** Builds the server of the web client's files, without listening. */
export function buildStaticServer(options: StaticServerOptions): Server {
  const files = serveWebFiles({ ...options, refuse })
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 30_000 }, (request, response) => {
    // server.close() ends idle connections only: the others would keep the process alive until their keep-alive timeout.
    response.once('close', () => {
      if (!server.listening) request.socket.end()
    })
    const url = URL.parse(request.url ?? '/', 'http://static')
    if (url === null) refuse(response, 400, 'VALIDATION_FAILED', 'The request URL is not valid.')
    else files(url.pathname, request, response)
  })
  return server
}

/** Closes the server within a time limit; see {@link closeInTime}. */
export function closeStaticServer(server: Server, underWayMs?: number): Promise<void> {
  return closeInTime(server, () => new Promise<void>((resolve) => server.close(() => resolve())), underWayMs)
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  const body = JSON.stringify({ success: false, message, error: { code, message } })
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
  })
  response.end(body)
}
