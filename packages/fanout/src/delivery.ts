import type { Server, Socket } from 'socket.io'
import * as ws from 'ws'

/** `Sender.frame` is what Socket.IO itself uses for its broadcasts; the types of ws leave it out. */
const { Sender } = ws as unknown as {
  Sender: {
    frame(data: Buffer, options: { fin: true; rsv1: false; opcode: 1; mask: false; readOnly: false }): Buffer[]
  }
}

interface PreEncoded {
  compress: false
  wsPreEncodedFrame: readonly Buffer[]
}

/** Packets made ready once for any number of sockets. */
export interface PreparedPackets {
  /** For WebSockets: all frames in one piece, so that a socket costs one write however many packets there are. */
  all: PreEncoded
  /** For polling, which may be upgrading to WebSocket just now: each packet without Engine.IO's `4`, and its frame. */
  each: () => readonly { text: string; options: PreEncoded }[]
}

/** @param packets `42[...]` as UTF-8 */
export function preparePackets(packets: readonly Buffer[]): PreparedPackets {
  const framed = packets.map((packet) => ({ packet, frame: frameOf(packet) }))
  let each: ReturnType<PreparedPackets['each']> | undefined
  return {
    all: preEncoded(framed.flatMap(({ frame }) => frame)),
    each() {
      each ??= framed.map(({ packet, frame }) => ({ text: packet.toString('utf8', 1), options: preEncoded(frame) }))
      return each
    },
  }
}

function frameOf(packet: Buffer): Buffer[] {
  return Sender.frame(packet, { fin: true, rsv1: false, opcode: 1, mask: false, readOnly: false })
}

/** One buffer, not header and payload apart: copying it once costs less than an entry more in every socket's writev. */
function preEncoded(parts: readonly Buffer[]): PreEncoded {
  return { compress: false, wsPreEncodedFrame: [Buffer.concat(parts)] }
}

/** Writes packets to one socket as they stand: no encoding, no copy. */
export function writePackets(socket: Socket, { all, each }: PreparedPackets): void {
  // `wsPreEncodedFrame` is known to Engine.IO but not to its types; its data is not looked at.
  if (socket.conn.transport.name === 'websocket') socket.conn.write('', all)
  else for (const { text, options } of each()) socket.conn.write(text, options)
}

/** The sockets of this process that are in a room and connected. */
export function* socketsIn(io: Server, room: string): Generator<Socket> {
  const namespace = io.sockets
  for (const id of namespace.adapter.rooms.get(room) ?? []) {
    const socket = namespace.sockets.get(id)
    if (socket !== undefined) yield socket
  }
}
