import { type ClientRequest, request as httpRequest, type IncomingMessage, STATUS_CODES } from 'node:http'
import type { Duplex } from 'node:stream'
import { pipeline } from 'node:stream'
import { answerError, responseOnSocket } from './answers.ts'
import type { Target } from './balance.ts'
import { endToEndHeaders, requestHeaders } from './headers.ts'

const HANDSHAKE_TIMEOUT_MS = 10_000
/** How long one side may take to close after the other has, in milliseconds; then both are destroyed. */
const HALF_CLOSED_MS = 5_000

export interface UpgradeOptions {
  /** Called for each attempt; the returned function is called when that connection is over. */
  opened: (target: Target) => () => void
}

/**
 * Forwards a WebSocket handshake to the first reachable target and then connects the two sockets. Any other answer (such as 400
 * for an unknown session) is relayed unchanged.
 */
export function forwardUpgrade(
  request: IncomingMessage,
  client: Duplex,
  head: Buffer,
  targets: readonly Target[],
  options: UpgradeOptions,
): void {
  const headers = { ...requestHeaders(request), connection: 'Upgrade', upgrade: 'websocket' }

  const attempt = (index: number) => {
    const target = targets[index]
    if (!target) return refuseUpgrade(request, client, 503, 'The service is temporarily unavailable; try again soon.')
    const release = options.opened(target)
    const upstream = httpRequest({ ...target, agent: false, method: 'GET', path: request.url, headers })
    const timer = setTimeout(() => upstream.destroy(new Error('handshake timeout')), HANDSHAKE_TIMEOUT_MS)
    const abandon = () => upstream.destroy()
    let connected = false
    client.once('close', abandon)
    const settled = () => {
      clearTimeout(timer)
      client.off('close', abandon)
    }
    upstream.once('socket', (socket) => socket.once('connect', () => (connected = true)))
    upstream.once('upgrade', (answer, server, serverHead) => {
      settled()
      server.once('close', release)
      client.write(switchingProtocols(answer))
      if (serverHead.length > 0) client.write(serverHead)
      if (head.length > 0) server.write(head)
      connectSockets(client, server)
    })
    upstream.once('response', (answer) => {
      settled()
      answer.once('close', release)
      relayRefusal(request, client, upstream, answer)
    })
    upstream.once('error', () => {
      settled()
      release()
      if (client.destroyed) return
      if (connected) refuseUpgrade(request, client, 502, 'The connection was lost before an answer came.')
      else attempt(index + 1)
    })
    upstream.end()
  }
  attempt(0)
}

/** Answers an upgrade request with a failure in the envelope, and closes its socket. */
export function refuseUpgrade(request: IncomingMessage, client: Duplex, status: number, message: string): void {
  const code = status === 404 ? 'NOT_FOUND' : 'UNAVAILABLE'
  answerError(responseOnSocket(request, client), status, code, message)
}

function switchingProtocols(answer: IncomingMessage): string {
  const lines = [`HTTP/1.1 101 ${STATUS_CODES[101]}`, 'Connection: Upgrade', 'Upgrade: websocket']
  for (const [name, value] of Object.entries(endToEndHeaders(answer))) {
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

function relayRefusal(
  request: IncomingMessage,
  client: Duplex,
  upstream: ClientRequest,
  answer: IncomingMessage,
): void {
  const response = responseOnSocket(request, client)
  response.writeHead(answer.statusCode ?? 502, answer.statusMessage, endToEndHeaders(answer))
  pipeline(answer, response, (error) => {
    upstream.destroy()
    if (error) client.destroy()
  })
}

/** Pipes bytes both ways until either side is gone; leaves neither side half open. */
function connectSockets(client: Duplex, server: Duplex): void {
  let timer: NodeJS.Timeout | undefined
  for (const [from, to] of [
    [client, server],
    [server, client],
  ] as const) {
    from.pipe(to)
    from.once('end', () => {
      timer ??= setTimeout(() => {
        client.destroy()
        server.destroy()
      }, HALF_CLOSED_MS)
    })
    from.on('error', () => to.destroy())
    from.once('close', () => {
      // Nothing more will come from this side. Let the other side flush what is buffered, unless this was a reset.
      if (from.errored) to.destroy()
      else to.end()
      if (to.destroyed) clearTimeout(timer)
    })
  }
}
