import type { Socket } from 'socket.io'
import type { GatewayLimits } from './limits.ts'

/** CONNECT packets that one connection may send: a client that was refused may try again with another token. */
const MAX_CONNECTS = 10

/** How Engine.IO hands over what a client has posted. Not in its published types. */
interface PollingTransport {
  onData(body: string): void
}

/**
 * Closes a connection that sends CONNECT, or packets of whatever kind, more often than one may; what it has sent besides is
 * dropped unread. Counted before Socket.IO makes a socket or an event of each: one body that a client posts holds very many.
 */
export function boundPackets(conn: Socket['conn'], limits: GatewayLimits): void {
  if (conn.transport.name === 'polling') boundBodies(conn, limits)
  let connects = 0
  conn.on('packet', ({ type, data }: { type: string; data?: unknown }) => {
    try {
      limits.takePacket(conn)
    } catch {
      return conn.close()
    }
    if (type !== 'message' || typeof data !== 'string') return
    // As Socket.IO's parser reads the type, to which a blank is CONNECT too.
    if (Number(data.charAt(0)) === 0 && ++connects > MAX_CONNECTS) conn.close()
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
