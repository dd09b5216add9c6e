import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ErrorCode, failure, ParleyError } from '@parley/protocol'

/** Error codes by the code of Node's parser error; any other means malformed HTTP. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/**
 * Handles a server's `clientError`: responds, in the envelope, to input that is not a valid request, and closes the connection,
 * as Node would. Nothing is logged or measured.
 * @see https://nodejs.org/api/http.html#event-clienterror
 */
export function answerNoRequest(
  error: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: ServerResponse },
): void {
  // If a response to an earlier request has been started, this one would end up in the middle of it.
  if (socket.writable && error.code !== 'ECONNRESET' && !socket._httpMessage?.headersSent) {
    const known = new ParleyError(CODES[error.code ?? ''] ?? 'MALFORMED_REQUEST')
    const body = JSON.stringify(failure(known))
    const head = [
      `HTTP/1.1 ${known.status} ${STATUS_CODES[known.status]}`,
      'content-type: application/json; charset=utf-8',
      `content-length: ${Buffer.byteLength(body)}`,
      'connection: close',
      ...(known.retryAfterSeconds === undefined ? [] : [`retry-after: ${known.retryAfterSeconds}`]),
    ]
    socket.write(`${head.join('\r\n')}\r\n\r\n${body}`)
  }
  socket.destroy(error)
}
