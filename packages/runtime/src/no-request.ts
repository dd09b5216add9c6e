import { type ServerResponse, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { type ErrorCode, failure, ParleyError } from '@parley/protocol'

/** What Node's parser gives up on, by the codes of its errors; all else is no HTTP. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'HEADERS_TOO_LARGE',
  ERR_HTTP_REQUEST_TIMEOUT: 'REQUEST_TIMEOUT',
}

/**
 * For a server's `clientError`: answers, in the envelope, what comes on a connection and never becomes a request, and closes
 * the connection, as Node does. Nothing else hears of it: it is in no log and no measure.
 * @see https://nodejs.org/api/http.html#event-clienterror
 */
export function answerNoRequest(
  error: NodeJS.ErrnoException,
  socket: Duplex & { _httpMessage?: ServerResponse },
): void {
  // An answer that has been begun cannot be taken back: this one would be in its middle.
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
