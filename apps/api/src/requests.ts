import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ErrorCode } from '@parley/protocol'
import { parseTraceParent, type Span, type Tracer } from '@parley/runtime'
import type { FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { ApiDeps } from './deps.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** When the request's head had been read, by `performance.now()`. */
    readAt: number
    span: Span | undefined
    /** Code of the error it was answered with. */
    code: ErrorCode | undefined
  }
}

/** The header with the request's id, which also appears in errors and log lines. A proxy or client may set it. */
export const REQUEST_ID = 'x-request-id'

/** Returns the id that the request brings if it is safe to log, otherwise a new one. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[REQUEST_ID]
  return typeof given === 'string' && /^[\w.:+/=-]{1,128}$/.test(given) ? given : randomUUID()
}

/**
 * Measures, traces and logs every request, by its route's template: the URL itself contains ids and search terms.
 */
export const observeRequests = fastifyPlugin<{ deps: Pick<ApiDeps, 'measures' | 'tracer'> }>(async (app, { deps }) => {
  const { measures, tracer } = deps
  app.decorateRequest('readAt', 0)
  app.decorateRequest('span', undefined)
  app.decorateRequest('code', undefined)
  app.addHook('onRequest', (request, reply, done) => {
    request.readAt = performance.now()
    reply.header(REQUEST_ID, request.id)
    trace(tracer, request)
    // 'close' fires exactly once, whether the answer was sent completely or not.
    reply.raw.once('close', () => {
      const ms = performance.now() - request.readAt
      const status = reply.raw.writableFinished ? reply.raw.statusCode : CLIENT_CLOSED
      const route = routeOf(request)
      if (request.code !== undefined) measures.errors.add(request.code)
      measures.request(request.method, route, status, ms / 1_000)
      request.span?.attributes({ 'http.response.status_code': status })
      request.span?.end(status >= 499 ? String(status) : undefined)
      const who = { userId: request.identity?.userId, code: request.code }
      const line = { method: request.method, route, status, ms: Math.round(ms), ...who }
      request.log[status >= 500 ? 'warn' : 'debug'](line, 'request')
    })
    done()
  })
})

/** Recorded when the client closed the connection before the whole answer was sent; nginx uses the same status. */
const CLIENT_CLOSED = 499

function trace(tracer: Tracer | undefined, request: FastifyRequest): void {
  if (tracer === undefined) return
  const route = routeOf(request)
  request.span = tracer.start(`${request.method} ${route}`, {
    kind: 'server',
    parent: parseTraceParent(request.headers.traceparent),
    attributes: { 'http.request.method': request.method, 'http.route': route, 'parley.request.id': request.id },
  })
  if (request.span !== undefined) request.log = request.log.child({ traceId: request.span.traceId })
}

function routeOf(request: FastifyRequest): string {
  return request.routeOptions.url ?? 'none'
}
