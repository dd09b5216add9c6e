import { partsOf } from '@parley/runtime/parts'
import type { Server } from 'socket.io'
import { preparePackets, writePackets } from './delivery.ts'
import type { Packet } from './packet.ts'
import { conversationRoom, userRoom } from './rooms.ts'

/** A user who came online, and the conversations in which their presence is shown. */
export interface Arrival {
  userId: string
  userName: string
  conversationIds: readonly string[]
}

/** The wire form of an arrival: the user, and the rooms whose sockets are notified. */
export interface ArrivalRooms {
  userId: string
  rooms: string[]
}

/** Maximum number of conversations in one frame: about 200 KB, which take a gateway a millisecond or two to parse. */
const FRAME_CONVERSATIONS = 5_000

/** Splits arrivals into groups that fit into one frame each, in order. */
export function framesOf(arrivals: readonly Arrival[]): Iterable<Arrival[]> {
  return partsOf(arrivals, FRAME_CONVERSATIONS, ({ conversationIds }) => conversationIds.length)
}

/** Returns the wire form of an arrival. */
export function roomsOfArrival({ userId, conversationIds }: Arrival): ArrivalRooms {
  return { userId, rooms: conversationIds.map(conversationRoom) }
}

/**
 * Notifies the sockets of this process in these rooms of arrivals, except of their own user's. A socket gets all of its packets
 * in one write, and each once, however many conversations it shares with a user.
 * @param packets one for each arrival
 * @returns the number of packets written
 */
export function writeArrivals(io: Server, arrivals: readonly ArrivalRooms[], packets: readonly Packet[]): number {
  const { adapter, sockets } = io.sockets
  /** Indexes into `arrivals`, ascending, by socket id. */
  const arrivalsOf = new Map<string, number[]>()
  for (const [arrival, { userId, rooms }] of arrivals.entries()) {
    const own = adapter.rooms.get(userRoom(userId))
    for (const room of rooms) {
      for (const socketId of adapter.rooms.get(room) ?? []) {
        if (own?.has(socketId)) continue
        const known = arrivalsOf.get(socketId)
        if (known === undefined) arrivalsOf.set(socketId, [arrival])
        else if (known.at(-1) !== arrival) known.push(arrival)
      }
    }
  }
  let written = 0
  for (const [socketId, indexes] of arrivalsOf) {
    const socket = sockets.get(socketId)
    if (socket === undefined) continue
    const own = indexes.flatMap((arrival) => packets[arrival] ?? [])
    writePackets(socket, preparePackets(own))
    written += own.length
  }
  return written
}
