import { Agent, createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { answerError } from './edge/answers.ts'
import { announcedSession, LeastConnections, RoundRobin, Sessions, type Target } from './edge/balance.ts'
import { forwardRequest } from './edge/forward.ts'
import { statusPage } from './edge/page.ts'
import { forwardUpgrade, refuseUpgrade } from './edge/upgrade.ts'
import { serveWebFiles, type WebFilesOptions } from './edge/web-files.ts'

export type { Target } from './edge/balance.ts'

export interface EdgeOptions {
  /** 0 picks any free port. */
  port: number
  /** The address to listen on, e.g. `127.0.0.1`. */
  host: string
  /** The current targets; called for every request. */
  targets: { api: () => readonly Target[]; gateway: () => readonly Target[] }
  /** The built web client, served at `/`; without it, `/` is the status page. */
  web?: WebFilesOptions | undefined
}

export interface Edge {
  readonly port: number
  /** Stops listening and closes all remaining connections. */
  close(): Promise<void>
}

const STATUS_PATH = '/status'
/** Same as the gateways' own; see apps/gateway/src/server.ts. */
const BACKLOG = 4_096

/**
 * Starts the public entry point of a local cluster, in place of HAProxy in production: `/api/*` goes to the api pods in turn,
 * `/socket.io/*` to the gateway with the fewest connections, and requests with an Engine.IO session id to the gateway that
 * created it. Everything else, except `/status`, is a file of the web client.
 *
 * Forwarding is built on node:http: the proxy libraries considered (httpxy, http-proxy-3) consume the request's body before they
 * are connected, and end the client's socket when a connection fails, so no second target can be tried.
 *
 * @throws the listen error (EADDRINUSE, EACCES) when the port is not available
 */
export async function startEdge(options: EdgeOptions): Promise<Edge> {
  const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 })
  const pods = new RoundRobin()
  const gateways = new LeastConnections()
  const sessions = new Sessions()
  const sockets = new Set<Duplex>()
  const webFiles = options.web && serveWebFiles(options.web)

  const gatewaysFor = (url: URL): Target[] => {
    const ordered = gateways.order(options.targets.gateway())
    const sid = url.searchParams.get('sid')
    return sid === null ? ordered : sessions.prefer(sid, ordered)
  }

  const limits = { requestTimeout: 600_000, keepAliveTimeout: 65_000 }
  const server = createServer({ ...limits, shouldUpgradeCallback: wantsWebSocket }, (request, response) => {
    const url = locate(request)
    if (!url) answerError(response, 400, 'VALIDATION_FAILED', 'The request URL is not valid.')
    else if (isUnder(url, '/api')) {
      forwardRequest(request, response, pods.order(options.targets.api()), {
        agent,
        opened: () => () => undefined,
        answered: () => undefined,
      })
    } else if (isUnder(url, '/socket.io')) {
      forwardRequest(request, response, gatewaysFor(url), {
        agent,
        opened: (target) => gateways.open(target),
        answered: (target, answer) => {
          const sid = announcedSession(answer.headers['set-cookie'])
          if (sid !== undefined) sessions.learn(sid, target)
        },
      })
    } else if (webFiles && url.pathname !== STATUS_PATH) webFiles(url.pathname, request, response)
    else answerHere(url, request, response, options)
  })

  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.once('close', () => sockets.delete(socket))
  })
  server.on('upgrade', (request, socket, head) => {
    // Without a listener, a reset by the client would crash this process.
    socket.on('error', () => socket.destroy())
    const url = locate(request)
    if (!url || !isUnder(url, '/socket.io')) {
      return refuseUpgrade(request, socket, 404, 'There is no WebSocket at this address.')
    }
    forwardUpgrade(request, socket, head, gatewaysFor(url), { opened: (target) => gateways.open(target) })
  })

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port: options.port, host: options.host, backlog: BACKLOG }, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      for (const socket of sockets) socket.destroy()
      agent.destroy()
      await closed
    },
  }
}

/** Parses either form of request target (RFC 9112 section 3.2); undefined if it is invalid. */
function locate(request: IncomingMessage): URL | undefined {
  const target = request.url ?? '/'
  const url = target.startsWith('/') ? URL.parse(`http://edge${target}`) : URL.parse(target)
  return url?.protocol === 'http:' || url?.protocol === 'https:' ? url : undefined
}

/** Ignores other protocols that a client offers (RFC 9110 section 7.8): Java and curl offer `h2c` with a plain request. */
function wantsWebSocket({ headers }: IncomingMessage): boolean {
  return headers.upgrade?.toLowerCase() === 'websocket'
}

function isUnder(url: URL, prefix: string): boolean {
  return url.pathname === prefix || url.pathname.startsWith(`${prefix}/`)
}

function answerHere(url: URL, request: IncomingMessage, response: ServerResponse, options: EdgeOptions): void {
  const known = url.pathname === STATUS_PATH || url.pathname === '/'
  if (!known || (request.method !== 'GET' && request.method !== 'HEAD')) {
    answerError(response, 404, 'NOT_FOUND', 'There is nothing at this address.')
    return
  }
  const page = statusPage(options.targets.api().length, options.targets.gateway())
  response.writeHead(200, {
    'content-type': 'text/html; charset=utf-8',
    'content-length': Buffer.byteLength(page),
    'cache-control': 'no-store',
    'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
  })
  response.end(request.method === 'HEAD' ? undefined : page)
}
