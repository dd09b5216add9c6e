import type { Server, Socket } from 'socket.io'
import * as ws from 'ws'

/** `Sender.frame` is what Socket.IO itself uses for its broadcasts; the types of ws leave it out. */
const { Sender } = ws as unknown as {
  Sender: {
    frame(data: Buffer, options: { fin: true; rsv1: false; opcode: 1; mask: false; readOnly: false }): Buffer[]
  }
}

/** A packet made ready once for any number of sockets. */
export interface PreparedPacket {
  /** For polling transports: the packet without Engine.IO's `4`. */
  text: string
  /** For WebSocket transports: header and payload of the finished frame. */
  options: { compress: false; wsPreEncodedFrame: Buffer[] }
}

/** @param packet `42[...]` as UTF-8 */
export function preparePacket(packet: Buffer): PreparedPacket {
  const wsPreEncodedFrame = Sender.frame(packet, { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: false })
  return { text: packet.toString('utf8', 1), options: { compress: false, wsPreEncodedFrame } }
}

/** Writes a packet to one socket as it stands: no encoding, no copy. */
export function writePacket(socket: Socket, { text, options }: PreparedPacket): void {
  // `wsPreEncodedFrame` is known to Engine.IO but not to its types.
  socket.conn.write(text, options)
}

/** The sockets of this process that are in a room and connected. */
export function* socketsIn(io: Server, room: string): Generator<Socket> {
  const namespace = io.sockets
  for (const id of namespace.adapter.rooms.get(room) ?? []) {
    const socket = namespace.sockets.get(id)
    if (socket !== undefined) yield socket
  }
}
