import { ParleyError } from '@parley/protocol'
import type { Socket } from 'socket.io'
import type { GatewayLimits } from './limits.ts'

/** CONNECT packets that one connection may send: a client that was refused may try again with another token. */
const MAX_CONNECTS = 10

/**
 * Objects and arrays of one packet: an event has some ten. A million of them, one in the other, were half a second of parsing
 * and of collecting the garbage.
 */
const MAX_NESTED = 1_000
/**
 * Characters of one packet that stand outside of strings, in UTF-16 code units. The largest event, a sync, has 20,000. Two million
 * digits, where Socket.IO reads the number of an ack, took half a second.
 */
const MAX_OUTSIDE = 64 * 1024
/** Shorter packets cost too little to be looked at, in UTF-16 code units. Of a message of 10,000 it takes a microsecond. */
const LOOKED_AT_LENGTH = 4 * 1024

const [QUOTE, BACKSLASH, BRACKET, BRACE] = ['"', '\\', '[', '{'].map((char) => char.charCodeAt(0))

/** How Engine.IO hands over what a client has posted. Not in its published types. */
interface PollingTransport {
  onData(body: string): void
}

/**
 * Closes a connection that sends CONNECT, or packets of whatever kind, more often than one may, or one that costs too much to
 * be read; what it has sent besides is dropped unread. Done before Socket.IO makes a socket or an event of each: one body that a client posts holds very many.
 */
export function boundPackets(conn: Socket['conn'], limits: GatewayLimits): void {
  if (conn.transport.name === 'polling') boundBodies(conn, limits)
  let connects = 0
  conn.on('packet', (packet: { type: string; data?: unknown }) => {
    const { type, data } = packet
    try {
      limits.takePacket(conn)
      if (type !== 'message' || typeof data !== 'string') return
      // As Socket.IO's parser reads the type, to which a blank is CONNECT too.
      if (Number(data.charAt(0)) === 0 && ++connects > MAX_CONNECTS) throw new ParleyError('RATE_LIMITED')
      if (isCostly(data)) throw new ParleyError('PAYLOAD_TOO_LARGE')
    } catch {
      // Engine.IO reads the type after this: it hands on what comes on a connection that is open still.
      packet.type = 'noop'
      conn.close()
    }
  })
}

/** Engine.IO takes a body apart as a whole before it hands over the first packet, on a connection that was closed as well. */
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

/** Whether reading a packet would cost far more than that of any event there is, in which case nobody needs its answer. */
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

/** @returns where the string ends that begins at `start`; the end of all where it does not */
function endOfString(json: string, start: number): number {
  for (let end = json.indexOf('"', start + 1); end !== -1; end = json.indexOf('"', end + 1)) {
    let escapes = 0
    while (json.charCodeAt(end - 1 - escapes) === BACKSLASH) escapes++
    if (escapes % 2 === 0) return end
  }
  return json.length
}
