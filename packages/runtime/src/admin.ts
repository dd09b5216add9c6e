import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { within } from './within.ts'

/** State of each dependency by name: `ok`, or a few words on what is wrong. Contains no secrets, as the response shows it. */
export type ReadyChecks = Record<string, 'ok' | (string & {})>

export type AdminRoute = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>

export interface AdminServerOptions {
  host: string
  /** 0 takes any free port. */
  port: number
  /** Called for each GET /health/ready. If it rejects or takes longer than `readyTimeoutMs`, the process is not ready. */
  ready: () => Promise<ReadyChecks>
  /** Whether a check may fail without taking the process out of service: the response is then `degraded`, with status 200. */
  optional?: (check: string, state: string) => boolean
  /** Milliseconds that `ready` may take. Default 2000, less than the timeout of common probes. */
  readyTimeoutMs?: number
  /** Additional GET routes by path, e.g. `/metrics`. */
  routes?: Readonly<Record<string, AdminRoute>>
  /** Handlers by path prefix, for requests of any method at or below it. */
  mounts?: Readonly<Record<`/${string}`, AdminRoute>>
}

export interface AdminServer {
  /** The port it listens on. */
  readonly port: number
  stop(): Promise<void>
}

/**
 * Serves GET /health/live (200 while the event loop runs) and GET /health/ready (200 or 503; both list the state of each
 * check). GET /health/ready?drain=404 returns 404 instead of 503 while the check named `process` says `stopping`: that is how
 * HAProxy (`http-check disable-on-404`) learns to keep existing sessions here and send no new ones.
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const routes = new Map<string, AdminRoute>([
    ...Object.entries(options.routes ?? {}),
    ['/health/live', (_request, response) => sendJson(response, 200, { status: 'ok' })],
    ['/health/ready', (request, response) => answerReady(request, response, options)],
  ])
  const mounts = Object.entries(options.mounts ?? {})
  const server = createServer((request, response) => {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const own = request.method === 'GET' || request.method === 'HEAD' ? routes.get(path) : undefined
    const route = own ?? mounts.find(([prefix]) => path === prefix || path.startsWith(`${prefix}/`))?.[1]
    if (!route) return sendJson(response, 404, { status: 'not found' })
    Promise.resolve()
      .then(() => route(request, response))
      .catch(() => {
        if (response.headersSent) response.destroy()
        else sendJson(response, 500, { status: 'failed' })
      })
  })
  await listen(server, options.port, options.host)
  const { port } = server.address() as AddressInfo
  return { port, stop: () => close(server) }
}

async function answerReady(
  request: IncomingMessage,
  response: ServerResponse,
  options: AdminServerOptions,
): Promise<void> {
  const checks = await boundedChecks(options)
  const failed = Object.entries(checks).filter(([, state]) => state !== 'ok')
  const ready = failed.every(([name, state]) => options.optional?.(name, state) ?? false)
  const status = failed.length === 0 ? 'ok' : ready ? 'degraded' : 'unavailable'
  const draining = checks.process === 'stopping' && request.url?.split('?', 2)[1] === 'drain=404'
  sendJson(response, ready ? 200 : draining ? 404 : 503, { status, checks })
}

async function boundedChecks({ ready, readyTimeoutMs = 2_000 }: AdminServerOptions): Promise<ReadyChecks> {
  try {
    return await within(readyTimeoutMs, ready(), () => ({ checks: 'timed out' }))
  } catch {
    // The check itself failed. The reason may contain addresses or credentials, so it is not shown.
    return { checks: 'failed' }
  }
}

function sendJson(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
  response.end(JSON.stringify(body))
}

function listen(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
}

function close(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()))
    server.closeAllConnections()
  })
}
