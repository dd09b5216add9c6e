import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** The retry delay for 5xx answers, in milliseconds; the same as in the api's own answers. */
const RETRY_MS = 1_000

/**
 * Answers with a failure in Parley's envelope; a 5xx says when to retry. If an answer has already begun, closes the connection
 * instead.
 */
export function answerError(response: ServerResponse, status: number, code: string, message: string): void {
  if (response.headersSent || response.destroyed) {
    response.destroy()
    return
  }
  const retry = status >= 500
  const error = { code, message, ...(retry ? { retryAfterMs: RETRY_MS } : {}) }
  const body = JSON.stringify({ success: false, message, error })
  response.writeHead(status, {
    'content-type': 'application/json; charset=utf-8',
    'content-length': Buffer.byteLength(body),
    ...(retry ? { 'retry-after': String(RETRY_MS / 1_000) } : {}),
  })
  response.end(body)
}

/** Creates an HTTP response on the socket of an upgrade request, for answers other than 101; closes the socket afterwards. */
export function responseOnSocket(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  // node:http servers always pass a net.Socket, although 'upgrade' is typed with Duplex.
  response.assignSocket(socket as Socket)
  response.once('finish', () => socket.end())
  return response
}
