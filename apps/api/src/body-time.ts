import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a body without files may take to arrive, in milliseconds. */
const BODY_MS = 30_000
/** How long a body with files may stall, in milliseconds. */
const STALL_MS = 60_000
/** How long the rest of a refused body is read and dropped, in milliseconds; then the connection is closed. */
const DROP_MS = 10_000

/**
 * Limits how long a request body may take. Node has a single time limit for all requests, and it must allow for a large file
 * on a slow connection; without this hook, anybody could hold a connection open with a few bytes.
 */
export function limitBodyTime(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { raw } = request
  if (isForm(request)) {
    // Without a 'timeout' listener, Node destroys the socket. Once the answer is sent, Node sets the keep-alive timeout instead.
    raw.socket.setTimeout(STALL_MS)
  } else if (hasBody(raw)) {
    const timer = setTimeout(() => raw.complete || raw.destroy(), BODY_MS)
    raw.once('close', () => clearTimeout(timer))
  }
  done()
}

/**
 * Reads and drops the rest of a refused request's body, for up to {@link DROP_MS}. Closing a connection with unread data
 * resets it, and the client might never see the answer.
 */
export function drainBody({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return
  raw.unpipe()
  raw.resume()
  const timer = setTimeout(() => raw.destroy(), DROP_MS)
  raw.once('close', () => clearTimeout(timer))
}

/** Ignores the content type of a request without a body: many clients always send one, and an empty body is not valid JSON. */
export function ignoreEmptyBodyType({ raw }: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  if (!hasBody(raw)) delete raw.headers['content-type']
  done()
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** Returns whether the body is a multipart form. */
export function isForm(request: FastifyRequest): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')
}
