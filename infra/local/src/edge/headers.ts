import type { IncomingMessage, OutgoingHttpHeaders } from 'node:http'

/** Fields that belong to one connection and are never passed on: RFC 9110 section 7.6.1, and Trailer, as none are relayed. */
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

/** The fields of a message that go on to the next hop: not the hop-by-hop ones, nor those that Connection names. */
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

/** Header fields for the request to a target: end-to-end ones, who asked (X-Forwarded-*) and Via (RFC 9110 section 7.6.3). */
export function requestHeaders(request: IncomingMessage): OutgoingHttpHeaders {
  const headers = endToEndHeaders(request)
  // Node has answered 100-continue by the time a request is seen here.
  delete headers.expect
  const client = request.socket.remoteAddress ?? ''
  const forwarded = request.headers['x-forwarded-for']
  headers['x-forwarded-for'] = forwarded === undefined ? client : `${forwarded}, ${client}`
  headers['x-forwarded-proto'] ??= 'http'
  headers['x-forwarded-host'] ??= request.headers.host
  headers.via = [request.headers.via, `${request.httpVersion} parley-edge`].filter(Boolean).join(', ')
  // The framing is this hop's own. Node would not chunk a DELETE's body unless told to.
  if (request.headers['transfer-encoding'] !== undefined) headers['transfer-encoding'] = 'chunked'
  return headers
}
