import { createServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { corkFrames } from '@parley/fanout'
import { failure, ParleyError } from '@parley/protocol'
import {
  type AllowedOrigins,
  answerNoRequest,
  type Logger,
  namesHost,
  type publicSettings,
  type SettingsOf,
} from '@parley/runtime'
import { Server, type Socket } from 'socket.io'
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
 * Connections that the system keeps until they are taken. With Node's 511 most of some thousand who come back at once are
 * dropped, and try again after a second; the system's own bound (net.core.somaxconn) is 4,096 on Linux.
 */
const BACKLOG = 4_096

/** CONNECT packets that one connection may send: a client that was refused may try again with another token. */
const MAX_CONNECTS = 10

/** How long the head of a request, and all of one, may take to come in, in milliseconds. */
const HEADERS_MS = 30_000
const REQUEST_MS = 60_000

/** To whatever is asked beside Socket.IO. */
const NOTHING_HERE = new ParleyError('NOT_FOUND')
const NO_HOST = new ParleyError('MALFORMED_REQUEST')

/** Socket.IO on an HTTP server that does not listen yet. */
export function buildServer(
  logger: Logger,
  limits: GatewayLimits,
  measures: GatewayMeasures,
  settings: SettingsOf<typeof publicSettings>,
): { http: HttpServer; io: Server } {
  const { CORS_ORIGINS: origins } = settings
  const times = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS }
  // Longer than balancers keep idle connections for, so that none sends a request into one that is just being closed.
  const keepAliveTimeout = settings.KEEP_ALIVE_SECONDS * 1_000
  // Who names no host is refused here: Node would do so without a body.
  const http = createServer({ keepAliveTimeout, ...times, requireHostHeader: false }, (request, response) => {
    const error = namesHost(request) ? NOTHING_HERE : NO_HOST
    response.writeHead(error.status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
    response.end(JSON.stringify(failure(error)))
  })
  http.on('clientError', answerNoRequest)
  const io = new Server(http, {
    serveClient: false,
    cors: { origin: origins === '*' ? '*' : [...origins] },
    // The balancer reads the session's id from this cookie in the handshake's answer; clients need not keep it.
    cookie: { name: 'io', path: '/socket.io', httpOnly: true, sameSite: 'lax' },
    maxHttpBufferSize: PACKET_BYTES,
    perMessageDeflate: false,
    connectTimeout: 10_000,
    // Asked for each new connection, not for the requests of one that stands. Refused here, a stock client tries again
    // with back-off.
    allowRequest: (request, decide) => {
      if (!mayConnect(request, origins)) return decide('Pages of this origin may not connect here.', false)
      try {
        limits.takeHandshake(request)
      } catch {
        return decide('Too many connections.', false)
      }
      decide(null, true)
    },
  })
  // Answered as Engine.IO answers what it cannot take.
  io.engine.use((request: IncomingMessage, _response: unknown, next: (error?: Error) => void) => {
    next(namesHost(request) ? undefined : NO_HOST)
  })
  io.engine.on('headers', (headers: Record<string, string>, request: IncomingMessage) => {
    headers['x-content-type-options'] = 'nosniff'
    if (request.headers.upgrade !== undefined) joinFirstWrites(request.socket)
  })
  io.engine.on('connection', (conn: Socket['conn']) => boundPackets(conn, limits))
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

/**
 * The answer to the upgrade and Engine.IO's first packet, which are written in one turn of the loop, as one system call. Not
 * for a refusal: Engine.IO destroys the socket after it, with all that is held back.
 */
function joinFirstWrites(socket: Duplex): void {
  socket.cork()
  setImmediate(() => socket.uncork())
}

/**
 * Whether a page of this origin may open a socket. Browsers hold polling to CORS and WebSockets to nothing, so it is looked
 * at here. No Origin header: no browser.
 */
function mayConnect({ headers }: IncomingMessage, origins: AllowedOrigins): boolean {
  const { origin, host } = headers
  if (origin === undefined || origins === '*' || origins.includes(origin)) return true
  return host !== undefined && URL.parse(origin)?.host === host
}

/**
 * Closes a connection that sends CONNECT, or packets of whatever kind, more often than one may; what it has sent besides is
 * dropped unread. Counted before Socket.IO makes a socket or an event of each: one body that a client posts holds very many.
 */
function boundPackets(conn: Socket['conn'], limits: GatewayLimits): void {
  let connects = 0
  conn.on('packet', ({ type, data }: { type: string; data?: unknown }) => {
    try {
      limits.takePacket(conn)
    } catch {
      return conn.close()
    }
    if (type !== 'message' || typeof data !== 'string') return
    // As Socket.IO's parser reads the type, to which a blank is CONNECT too.
    if (Number(data.charAt(0)) === 0 && ++connects > MAX_CONNECTS) conn.close()
  })
}

/** @returns the port it listens on */
export async function listen(http: HttpServer, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen({ port, host, backlog: BACKLOG }, resolve)
  })
  return (http.address() as AddressInfo).port
}
