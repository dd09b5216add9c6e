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
import { boundPackets } from './packets.ts'

/** Largest packet that is read at all, in bytes. Over-long content gets a clear error well below this. */
const PACKET_BYTES = 2 * 1024 * 1024
/** A connection with more than this many unsent bytes for this long (ms) is closed; its client reconnects and syncs. */
const UNSENT_BYTES = 1024 * 1024
const UNSENT_PATIENCE_MS = 3_000
/** With more unsent bytes than this, it is closed at once. */
const UNSENT_HARD_BYTES = 8 * 1024 * 1024

/**
 * Length of the listen backlog. With Node's default of 511, most of a few thousand simultaneous connections are dropped and
 * retry after a second. Linux itself limits it to 4,096 (net.core.somaxconn).
 */
const BACKLOG = 4_096

/** How long a request's head, and a whole request, may take to arrive, in milliseconds. */
const HEADERS_MS = 30_000
const REQUEST_MS = 60_000

/** The answer to requests for anything but Socket.IO. */
const NOTHING_HERE = new ParleyError('NOT_FOUND')
const NO_HOST = new ParleyError('MALFORMED_REQUEST')

/** Builds Socket.IO on an HTTP server that does not listen yet. */
export function buildServer(
  logger: Logger,
  limits: GatewayLimits,
  measures: GatewayMeasures,
  settings: SettingsOf<typeof publicSettings>,
): { http: HttpServer; io: Server } {
  const { CORS_ORIGINS: origins } = settings
  const times = { headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS }
  // Longer than balancers keep idle connections, so that none sends a request on a connection that is just being closed.
  const keepAliveTimeout = settings.KEEP_ALIVE_SECONDS * 1_000
  // Requests without a Host header are refused below: Node's own refusal has no body.
  const options = { keepAliveTimeout, ...times, requireHostHeader: false, shouldUpgradeCallback: wantsWebSocket }
  const http = createServer(options, (request, response) => {
    const error = namesHost(request) ? NOTHING_HERE : NO_HOST
    response.writeHead(error.status, { 'content-type': 'application/json', 'x-content-type-options': 'nosniff' })
    response.end(JSON.stringify(failure(error)))
  })
  http.on('clientError', answerNoRequest)
  const io = new Server(http, {
    serveClient: false,
    cors: { origin: origins === '*' ? '*' : [...origins] },
    // The balancer learns the session's id from this cookie in the handshake's response; clients need not keep it.
    cookie: { name: 'io', path: '/socket.io', httpOnly: true, sameSite: 'lax' },
    maxHttpBufferSize: PACKET_BYTES,
    perMessageDeflate: false,
    connectTimeout: 10_000,
    // Called for each new connection, not for later requests of an existing one. Stock clients retry with back-off.
    allowRequest: (request, decide) => {
      if (!mayConnect(request, origins)) return decide('Pages from this origin may not connect.', false)
      try {
        limits.takeHandshake(request)
      } catch {
        return decide('Too many connections.', false)
      }
      decide(null, true)
    },
  })
  // Engine.IO turns the error into its own kind of refusal.
  io.engine.use((request: IncomingMessage, _response: unknown, next: (error?: Error) => void) => {
    next(namesHost(request) ? undefined : NO_HOST)
  })
  io.engine.on('headers', (headers: Record<string, string>, request: IncomingMessage) => {
    headers['x-content-type-options'] = 'nosniff'
    if (wantsWebSocket(request)) joinFirstWrites(request.socket)
  })
  io.engine.on('connection', (conn: Socket['conn']) => boundPackets(conn, limits))
  corkFrames(io, {
    maxUnsentBytes: UNSENT_BYTES,
    patienceMs: UNSENT_PATIENCE_MS,
    hardUnsentBytes: UNSENT_HARD_BYTES,
    onSlow: (unsentBytes) => {
      measures.slowReaders++
      logger.warn({ unsentBytes }, 'closed a connection that was not reading')
    },
  })
  return { http, io }
}

/**
 * Joins the upgrade's response and Engine.IO's first packet, written in the same turn of the event loop, into one system call.
 * Must not be used for refusals: Engine.IO destroys the socket right after one, and with it all that is corked.
 */
function joinFirstWrites(socket: Duplex): void {
  socket.cork()
  setImmediate(() => socket.uncork())
}

/** Ignores other protocols that a client offers (RFC 9110 section 7.8): Java and curl offer `h2c` with a plain poll. */
function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

/**
 * Returns whether a page from this origin may open a socket. Browsers apply CORS to polling but not to WebSockets, so the origin
 * is checked here. A request without an Origin header does not come from a browser page and is allowed.
 */
function mayConnect({ headers }: IncomingMessage, origins: AllowedOrigins): boolean {
  const { origin, host } = headers
  if (origin === undefined || origins === '*' || origins.includes(origin)) return true
  return host !== undefined && URL.parse(origin)?.host === host
}

/**
 * Starts listening.
 * @returns the port
 * @throws the listen error, such as EADDRINUSE
 */
export async function listen(http: HttpServer, port: number, host: string): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    http.once('error', reject)
    http.listen({ port, host, backlog: BACKLOG }, resolve)
  })
  return (http.address() as AddressInfo).port
}
