import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'

/** Hop-by-hop fields, which are never forwarded (RFC 9110 section 7.6.1), and Trailer, because trailers are not relayed. */
const HOP_BY_HOP = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'proxy-authenticate',
  'proxy-authorization',
]

/** Returns a message's end-to-end fields: without hop-by-hop fields and those that Connection lists. */
export function endToEndHeaders(message: IncomingMessage): OutgoingHttpHeaders {
  const dropped = new Set(HOP_BY_HOP)
  for (const name of (message.headers.connection ?? '').split(',')) dropped.add(name.trim().toLowerCase())
  const kept: OutgoingHttpHeaders = {}
  for (const [name, values] of Object.entries(message.headersDistinct)) {
    if (values === undefined || dropped.has(name)) continue
    kept[name] = values.length === 1 ? values[0] : values
  }
  return kept
}

/** Returns the fields of the request to a target: end-to-end fields, X-Forwarded-* and Via (RFC 9110 section 7.6.3). */
export function requestHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  const headers = endToEndHeaders(request)
  // Node has already answered Expect: 100-continue.
  delete headers.expect
  const client = request.socket.remoteAddress ?? ''
  const forwarded = request.headers['x-forwarded-for']
  headers['x-forwarded-for'] = forwarded === undefined ? client : `${forwarded}, ${client}`
  headers['x-forwarded-proto'] ??= 'http'
  headers['x-forwarded-host'] ??= request.headers.host
  headers.via = [request.headers.via, `${request.httpVersion} parley-edge`].filter(Boolean).join(', ')
  // Framing is per hop, and Node does not chunk a DELETE's body unless told to.
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  return headers
}
