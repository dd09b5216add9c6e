import type { Server, Socket } from 'socket.io'
import { joinPackets, messageIn, type Packet } from './packet.ts'
import { userIdOf } from './rooms.ts'

/** Options with which Engine.IO writes a frame to a WebSocket as it is, bypassing its own encoding and that of ws. */
interface PreEncoded {
  compress: false
  wsPreEncodedFrame: readonly Buffer[]
}

/** Packets prepared once for any number of sockets. */
export interface PreparedPackets {
  /** For WebSockets: all in one buffer, so that each socket costs one write however many packets there are. */
  all: PreEncoded
  /** For polling, which may be upgrading to WebSocket right now: each packet's message, and the packet itself. */
  each: () => readonly { message: string; options: PreEncoded }[]
}

/** Prepares packets for writing. The polling form is built on first use. */
export function preparePackets(packets: readonly Packet[]): PreparedPackets {
  let each: ReturnType<PreparedPackets['each']> | undefined
  return {
    all: preEncoded(joinPackets(packets)),
    each() {
      each ??= packets.map((packet) => ({ message: messageIn(packet), options: preEncoded(packet) }))
      return each
    },
  }
}

function preEncoded(bytes: Buffer): PreEncoded {
  return { compress: false, wsPreEncodedFrame: [bytes] }
}

/** Writes packets to one socket as they are, without encoding or copying. */
export function writePackets(socket: Socket, { all, each }: PreparedPackets): void {
  // `wsPreEncodedFrame` is missing from Engine.IO's types; with it, the data argument is ignored.
  if (socket.conn.transport.name === 'websocket') socket.conn.write('', all)
  else for (const { message, options } of each()) socket.conn.write(message, options)
}

/** Writes packets to any number of sockets. @returns the number of sockets */
export function writeToAll(sockets: Iterable<Socket>, packets: readonly Packet[]): number {
  if (packets.length === 0) return 0
  let count = 0
  let prepared: PreparedPackets | undefined
  for (const socket of sockets) {
    prepared ??= preparePackets(packets)
    writePackets(socket, prepared)
    count++
  }
  return count
}

/** Writes a packet to a single socket. */
export function writePacket(socket: Socket, packet: Packet): void {
  const data = socket.conn.transport.name === 'websocket' ? '' : messageIn(packet)
  socket.conn.write(data, preEncoded(packet))
}

/** Yields the connected sockets of this process in a room. */
export function* socketsIn(io: Server, room: string): Generator<Socket> {
  const namespace = io.sockets
  for (const id of namespace.adapter.rooms.get(room) ?? []) {
    const socket = namespace.sockets.get(id)
    if (socket !== undefined) yield socket
  }
}

/** Returns the ids of the users with a socket of this process in a room. */
export function peopleIn(io: Server, room: string): string[] {
  const { rooms, sids } = io.sockets.adapter
  const people = new Set<string>()
  for (const id of rooms.get(room) ?? []) {
    for (const other of sids.get(id) ?? []) {
      const userId = userIdOf(other)
      if (userId === undefined) continue
      people.add(userId)
      break
    }
  }
  return [...people]
}
