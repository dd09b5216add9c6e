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
/** Inactivity timeout. A long poll is held for at most Engine.IO's ping interval, 25 s. */
const IDLE_TIMEOUT_MS = 120_000
/** Safe methods (RFC 9110 section 9.2.1), which can be repeated if they have no body. */
const REPEATABLE = new Set(['GET', 'HEAD', 'OPTIONS'])

export interface ForwardOptions {
  agent: Agent
  /** Called for each attempt; the returned function is called when the attempt is over. */
  opened: (target: Target) => () => void
  /** Called when a target starts to answer. */
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
 * Forwards a request to the first reachable target and relays its answer, streaming both bodies. The next target is tried only
 * if the request cannot have had an effect: the connection was refused, or the request is repeatable and no answer has begun.
 * Otherwise the client gets 502, 503 or 504 in the envelope.
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
    // Read and drop the rest of the body: the client may send its next request on the same connection.
    body?.resume()
    answerError(response, status, 'UNAVAILABLE', message)
  }
  if (!target) {
    refuse(503, 'The service is temporarily unavailable; try again soon.')
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
    // Once an answer has begun, relayAnswer() handles its stream's errors.
    if (response.headersSent || response.destroyed) return
    const repeatable = !body && REPEATABLE.has(request.method ?? '')
    if (progress === 'timed out') refuse(504, 'The answer took too long.')
    // The target may just have closed a kept-alive connection, so try the same target again.
    else if (progress === 'connecting' || repeatable) tryTarget(exchange, upstream.reusedSocket ? index : index + 1)
    else refuse(502, 'The connection was lost before an answer came.')
  })
}

/** Runs `send` once the request is connected, so that a failed attempt has consumed nothing of the client's body. */
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
    // Refused before the whole body arrived (a 413, for example): read and drop the rest, so that a client that writes
    // everything before it reads gets to see the answer.
    body.unpipe(upstream)
    body.resume()
  }
  pipeline(answer, response, (error) => {
    if (error) response.destroy()
    if (error || !upstream.writableFinished) upstream.destroy()
  })
}

/**
 * Delays each chunk until the event loop has polled all sockets. A server that refuses a body closes its connection with the
 * rest unread; if a write failed before its answer was read, Node would drop that answer.
 */
function oneTurnLater(): Transform {
  return new Transform({ transform: (chunk, _encoding, done) => void setImmediate(done, null, chunk) })
}
