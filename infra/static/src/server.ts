import { createServer, type Server, type ServerResponse } from 'node:http'
import { closeInTime } from '@parley/runtime'
import { serveWebFiles } from './web-files.ts'

/** Longer than balancers keep an idle connection for (60 s is usual), in milliseconds. */
const KEEP_ALIVE_MS = 72_000

export interface StaticServerOptions {
  directory: string
  storageOrigin: string | undefined
}

/** Serves the built web client. It does not listen yet. */
export function buildStaticServer(options: StaticServerOptions): Server {
  const files = serveWebFiles({ ...options, refuse })
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS, requestTimeout: 30_000 }, (request, response) => {
    // Closing ends idle connections only: any other would stay open, and the process with it, for as long as one is kept.
    response.once('close', () => {
      if (!server.listening) request.socket.end()
    })
    // A path that cannot be read as one is nobody's file.
    const url = URL.parse(request.url ?? '/', 'http://static')
    if (url === null) refuse(response, 400, 'VALIDATION_FAILED', 'The request target is no address.')
    else files(url.pathname, request, response)
  })
  return server
}

/** See {@link closeInTime}. */
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
