import { createServer, type Server as HttpServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { corkFrames } from '@parley/fanout'
import type { Logger } from '@parley/runtime'
import { Server } from 'socket.io'
import type { GatewayLimits } from './limits.ts'
import type { GatewayMeasures } from './measures.ts'

/** Largest packet that is read at all, in bytes; content past its own limit gets a clear error well before. */
const PACKET_BYTES = 2 * 1024 * 1024
/** A connection that is behind by more bytes than this for so long (ms) is closed; its client comes back and syncs. */
const UNSENT_BYTES = 1024 * 1024
const UNSENT_PATIENCE_MS = 3_000
/** Behind by more than this, it is closed at once. */
const UNSENT_HARD_BYTES = 8 * 1024 * 1024

/**
 * How long an idle connection stays open, in milliseconds: longer than balancers keep theirs for (60 s is usual), so that
 * none sends a request into a connection that is just being closed. Node's own 5 s did that to polling clients.
 */
const KEEP_ALIVE_MS = 72_000

/** Socket.IO on an HTTP server that does not listen yet. */
export function buildServer(
  logger: Logger,
  limits: GatewayLimits,
  measures: GatewayMeasures,
): { http: HttpServer; io: Server } {
  const http = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (_request, response) => {
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
    // Refused here, a stock client tries again with back-off; a session that exists is not a new connection.
    allowRequest: (request, decide) => {
      if (request.url?.includes('sid=')) return decide(null, true)
      limits.takeHandshake(request).then(
        () => decide(null, true),
        () => decide('Too many connections.', false),
      )
    },
  })
  corkFrames(io, {
    maxUnsentBytes: UNSENT_BYTES,
    patienceMs: UNSENT_PATIENCE_MS,
    hardUnsentBytes: UNSENT_HARD_BYTES,
    onSlow: (unsentBytes) => {
      measures.slowReaders++
      logger.warn({ unsentBytes }, 'a connection that does not read was closed')
    },
  })
  return { http, io }
}

/** @returns the port it listens on */
export async function listen(http: HttpServer, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen(port, host, resolve)
  })
  return (http.address() as AddressInfo).port
}
