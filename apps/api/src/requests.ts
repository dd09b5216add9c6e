import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ErrorCode } from '@parley/protocol'
import { parseTraceParent, type Span, type Tracer } from '@parley/runtime'
import type { FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { ApiDeps } from './deps.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** When its head had been read, by `performance.now()`. */
    readAt: number
    span: Span | undefined
    /** Of the error that it was answered with. */
    code: ErrorCode | undefined
  }
}

/** One id for a request wherever it is spoken of: a proxy's or client's own, the answer's header, an error, every log line. */
export const REQUEST_ID = 'x-request-id'

/** The id that a request brings, if it can stand in a log line as it is; a new one otherwise. */
export function requestIdOf({ headers }: Pick<IncomingMessage, 'headers'>): string {
  const given = headers[REQUEST_ID]
  return typeof given === 'string' && /^[\w.:+/=-]{1,128}$/.test(given) ? given : randomUUID()
}

/**
 * Measures, traces and logs every request. What is said of one is its route's template: its address holds ids and what
 * people search for.
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
    // `close` comes once, whether the answer was sent to its end or not.
    reply.raw.once('close', () => {
      const ms = performance.now() - request.readAt
      const status = reply.raw.writableFinished ? reply.raw.statusCode : BROKEN_OFF
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

/** Shown for a request whose client went before it had its answer; nginx' number for it. */
const BROKEN_OFF = 499

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
