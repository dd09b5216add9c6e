import type { IncomingMessage } from 'node:http'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** How long a body without files may take to come in, in milliseconds. */
const BODY_MS = 30_000
/** How long a body with files may stand still. */
const STILL_MS = 60_000
/** For how long what comes after a refusal is dropped, in milliseconds; then the connection is closed. */
const DROP_MS = 10_000

/**
 * Cuts off a body that does not come to its end. Node has one time limit for all requests: it has to let a large file on a
 * slow line pass, which would let anybody hold a connection open with a few bytes.
 */
export function boundBodies(request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { raw } = request
  if (isForm(request)) {
    // Without a listener for it, Node ends a connection on which nothing has moved for so long. With the answer it sets
    // how long the connection may be idle.
    raw.socket.setTimeout(STILL_MS)
  } else if (hasBody(raw)) {
    const timer = setTimeout(() => raw.complete || raw.destroy(), BODY_MS)
    raw.once('close', () => clearTimeout(timer))
  }
  done()
}

/**
 * After a refusal, reads and drops what still comes of the body, for a while. A connection that is closed with data unread
 * is reset, and its client may then never see the answer.
 */
export function dropRest({ raw }: FastifyRequest): void {
  if (raw.complete || raw.destroyed) return
  raw.unpipe()
  raw.resume()
  const timer = setTimeout(() => raw.destroy(), DROP_MS)
  raw.once('close', () => clearTimeout(timer))
}

/** Many clients name a type with every request; where there is no body it means nothing, as nothing is no JSON. */
export function untypeNothing({ raw }: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  if (!hasBody(raw)) delete raw.headers['content-type']
  done()
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0
}

/** A request whose body is a form with files. */
export function isForm(request: FastifyRequest): boolean {
  return /^multipart\/form-data\b/i.test(request.headers['content-type'] ?? '')
}
