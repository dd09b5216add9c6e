import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'

/** What is away is asked for again after this, in milliseconds; as the api's own answers say. */
const RETRY_MS = 1_000

/**
 * Answers in Parley's envelope for a failure, from 500 on with when to try again. Does nothing but cut the connection when an
 * answer has begun already.
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

/** An HTTP response on the bare socket of an upgrade request, for the answers that are no upgrade; closes it afterwards. */
export function responseOnSocket(request: IncomingMessage, socket: Duplex): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  // Servers of node:http hand out net.Sockets; the declared type is Duplex for the sake of 'upgrade' on other streams.
  response.assignSocket(socket as Socket)
  response.once('finish', () => socket.end())
  return response
}
