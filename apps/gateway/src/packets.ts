import { ParleyError } from '@parley/protocol'
import type { Socket } from 'socket.io'
import type { GatewayLimits } from './limits.ts'

/** CONNECT packets that one connection may send: a refused client may try again with another token. */
const MAX_CONNECTS = 10

/**
 * Objects and arrays allowed in one packet; an event has about ten. A million nested ones took half a second to parse and
 * garbage-collect.
 */
const MAX_NESTED = 1_000
/**
 * UTF-16 code units allowed outside of strings in one packet. The largest event, a sync, has 20,000. Two million digits in place
 * of an ack id took Socket.IO half a second.
 */
const MAX_OUTSIDE = 64 * 1024
/** Shorter packets are too cheap to check, in UTF-16 code units. Checking a message of 10,000 takes a microsecond. */
const LOOKED_AT_LENGTH = 4 * 1024

const [QUOTE, BACKSLASH, BRACKET, BRACE] = ['"', '\\', '[', '{'].map((char) => char.charCodeAt(0))

/** How Engine.IO receives the body of a POST. Not in its published types. */
interface PollingTransport {
  onData(body: string): void
}

/**
 * Closes a connection that sends too many CONNECT packets, too many packets of any kind, or one that costs too much to parse; the
 * rest is dropped unread. Done before Socket.IO turns packets into sockets or events, because one POST body can hold very many.
 */
export function boundPackets(conn: Socket['conn'], limits: GatewayLimits): void {
  if (conn.transport.name === 'polling') boundBodies(conn, limits)
  let connects = 0
  conn.on('packet', (packet: { type: string; data?: unknown }) => {
    const { type, data } = packet
    try {
      limits.takePacket(conn)
      if (type !== 'message' || typeof data !== 'string') return
      // Parsed as Socket.IO's parser does it, for which a blank is CONNECT, too.
      if (Number(data.charAt(0)) === 0 && ++connects > MAX_CONNECTS) throw new ParleyError('RATE_LIMITED')
      if (isCostly(data)) throw new ParleyError('PAYLOAD_TOO_LARGE')
    } catch {
      // Engine.IO reads the type after this, and would still process the packet.
      packet.type = 'noop'
      conn.close()
    }
  })
}

/** Checks bodies before Engine.IO splits them: it splits a whole body before the first packet, even on a closed connection. */
function boundBodies(conn: Socket['conn'], limits: GatewayLimits): void {
  const transport = conn.transport as unknown as PollingTransport
  const takeApart = transport.onData.bind(transport)
  transport.onData = (body) => {
    if (conn.readyState !== 'open') return
    try {
      limits.requireFewPackets(body)
    } catch {
      return conn.close()
    }
    takeApart(body)
  }
}

/** Returns whether parsing a packet would cost far more than parsing any real event. */
export function isCostly(packet: string): boolean {
  if (packet.length < LOOKED_AT_LENGTH) return false
  let nested = 0
  for (let at = 0, outside = 0; at < packet.length; at++, outside++) {
    const char = packet.charCodeAt(at)
    if (char === QUOTE) at = endOfString(packet, at)
    else if (char === BRACKET || char === BRACE) nested++
    if (nested > MAX_NESTED || outside > MAX_OUTSIDE) return true
  }
  return false
}

/** Returns the index of the closing quote of the string that starts at `start`; the length of `json` if there is none. */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let escapes = 0
    while (json.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++
    if (escapes % 2 === 0) return end
  }
  return json.length
}
