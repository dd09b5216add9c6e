import { createServer, type Server as HttpServer } from 'node:http'
import { corkFrames } from '@parley/fanout'
import type { Logger } from '@parley/runtime'
import { Server } from 'socket.io'

/** Largest packet that is read at all, in bytes; content past its own limit gets a clear error well before. */
const PACKET_BYTES = 2 * 1024 * 1024
/** A connection with more unsent bytes than this is closed; its client comes back and syncs. */
const UNSENT_BYTES = 1024 * 1024
/** Sockets that are closed at once while draining, and the pause between such batches in milliseconds. */
const DRAIN_BATCH = 200
const DRAIN_PAUSE_MS = 20

/** Socket.IO on an HTTP server that does not listen yet. */
export function buildServer(logger: Logger): { http: HttpServer; io: Server } {
  const http = createServer((_request, response) => {
    response.writeHead(404, { 'content-type': 'application/json' })
    response.end('{"success":false,"message":"There is nothing at this address.","error":{"code":"NOT_FOUND"}}')
  })
  const io = new Server(http, {
    serveClient: false,
    cors: { origin: true },
    // The balancer reads the session's id from this cookie in the handshake's answer; clients need not keep it.
    cookie: { name: 'io', path: '/socket.io', httpOnly: true, sameSite: 'lax' },
    maxHttpBufferSize: PACKET_BYTES,
    perMessageDeflate: false,
    connectTimeout: 10_000,
  })
  corkFrames(io, {
    maxUnsentBytes: UNSENT_BYTES,
    onSlow: (unsentBytes) => logger.warn({ unsentBytes }, 'a connection that does not read was closed'),
  })
  return { http, io }
}

/** Stops listening, then closes the sockets in batches, in a way that makes stock clients connect elsewhere. */
export async function drain(http: HttpServer, io: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => http.close(() => resolve()))
  http.closeIdleConnections()
  let inBatch = 0
  for (const socket of [...io.sockets.sockets.values()]) {
    socket.conn.close()
    if (++inBatch % DRAIN_BATCH === 0) await new Promise((resolve) => setTimeout(resolve, DRAIN_PAUSE_MS))
  }
  await new Promise((resolve) => setImmediate(resolve))
  io.engine.close()
  http.closeAllConnections()
  await closed
}
