import {
  type Agent,
  type ClientRequest,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type ServerResponse,
} from 'node:http'
import { pipeline, type Readable, Transform } from 'node:stream'
import { answerError } from './answers.ts'
import type { Target } from './balance.ts'
import { endToEndHeaders, requestHeaders } from './headers.ts'

const CONNECT_TIMEOUT_MS = 3_000
/** Without a byte in either direction. A long poll is held for at most engine.io's ping interval, 25 s. */
const IDLE_TIMEOUT_MS = 120_000
/** Methods that may be sent twice without harm (RFC 9110 section 9.2.1), given that they have no body. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface ForwardOptions {
  agent: Agent
  /** Called for each target that is tried; what it returns is called when that try is over. */
  opened: (target: Target) => () => void
  /** Called when a target's answer begins. */
  answered: (target: Target, answer: IncomingMessage) => void
}

interface Exchange extends ForwardOptions {
  request: IncomingMessage
  response: ServerResponse
  targets: readonly Target[]
  headers: OutgoingHttpHeaders
  body: Readable | undefined
}

/**
 * Passes a request on to the first of the targets that can be reached, and its answer back. Bodies are streamed both ways.
 * The next target is tried only while nothing of the request can have been acted on: the connection was refused, or the
 * request is one that may be repeated and no answer has begun. Otherwise the client gets 502, 503 or 504 in the envelope.
 */
export function forwardRequest(
  request: IncomingMessage,
  response: ServerResponse,
  targets: readonly Target[],
  options: ForwardOptions,
): void {
  const hasBody =
    request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0
  const body = hasBody ? request.pipe(oneTurnLater()) : undefined
  tryTarget({ ...options, request, response, targets, headers: requestHeaders(request), body }, 0)
}

function tryTarget(exchange: Exchange, index: number): void {
  const { request, response, body } = exchange
  const target = exchange.targets[index]
  const refuse = (status: number, message: string) => {
    // What still comes of a body is read and dropped: the client may send its next request on the same connection.
    body?.resume()
    answerError(response, status, 'UNAVAILABLE', message)
  }
  if (!target) {
    refuse(503, 'Nothing can answer this just now. Try again shortly.')
    return
  }
  const release = exchange.opened(target)
  const upstream = httpRequest({
    ...target,
    agent: exchange.agent,
    method: request.method,
    path: request.url,
    headers: exchange.headers,
    timeout: CONNECT_TIMEOUT_MS,
  })
  const abandon = () => upstream.destroy()
  let progress: 'connecting' | 'sent' | 'timed out' = 'connecting'
  response.once('close', abandon)
  upstream.once('close', () => {
    response.off('close', abandon)
    release()
  })
  upstream.once('timeout', () => {
    if (progress === 'sent') progress = 'timed out'
    upstream.destroy()
  })
  whenConnected(upstream, () => {
    progress = 'sent'
    upstream.setTimeout(IDLE_TIMEOUT_MS)
    if (body) body.pipe(upstream)
    else upstream.end()
  })
  upstream.once('response', (answer) => {
    exchange.answered(target, answer)
    relayAnswer(exchange, upstream, answer)
  })
  upstream.once('error', () => {
    body?.unpipe(upstream)
    // Once an answer has begun, its own stream tells whether it came to an end.
    if (response.headersSent || response.destroyed) return
    const repeatable = !body && REPEATABLE.has(request.method ?? '')
    if (progress === 'timed out') refuse(504, 'The answer took too long.')
    // A kept connection may have been closed from the other end just then: that says nothing about the target.
    else if (progress === 'connecting' || repeatable) tryTarget(exchange, upstream.reusedSocket ? index : index + 1)
    else refuse(502, 'The connection was lost before an answer came.')
  })
}

/** Runs `send` when the request has a connection, so that one which finds none has taken nothing from the client's body. */
function whenConnected(upstream: ClientRequest, send: () => void): void {
  upstream.once('socket', (socket) => {
    if (socket.connecting) socket.once('connect', send)
    else send()
  })
}

function relayAnswer({ request, response, body }: Exchange, upstream: ClientRequest, answer: IncomingMessage): void {
  const status = answer.statusCode ?? 502
  response.writeHead(status, answer.statusMessage, endToEndHeaders(answer))
  if (body && !request.complete && status >= 400) {
    // Refused before the body was in (a 413, say): what still comes is read and dropped, so that the client, which may
    // read nothing before it has written everything, gets to see the answer.
    body.unpipe(upstream)
    body.resume()
  }
  pipeline(answer, response, (error) => {
    if (error) response.destroy()
    if (error || !upstream.writableFinished) upstream.destroy()
  })
}

/**
 * Hands each chunk on after the event loop has looked at all sockets. A server that refuses a body closes its connection
 * with the rest unread; a write that comes before its answer was read fails, and Node then drops that answer unseen.
 */
function oneTurnLater(): Transform {
  return new Transform({ transform: (chunk, _encoding, done) => void setImmediate(done, null, chunk) })
}
