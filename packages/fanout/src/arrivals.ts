import { partsOf } from '@parley/runtime/parts'
import type { Server } from 'socket.io'
import { preparePackets, writePackets } from './delivery.ts'
import type { Packet } from './packet.ts'
import { conversationRoom, userRoom } from './rooms.ts'

/** Somebody who came online, and the conversations in which they are shown. */
export interface Arrival {
  userId: string
  userName: string
  conversationIds: readonly string[]
}

/** How an arrival travels: whose it is, and the rooms whose sockets are told. */
export interface ArrivalRooms {
  userId: string
  rooms: string[]
}

/** Conversations that one frame names at most; some 200 KB, which take a gateway a millisecond or two to read. */
const FRAME_CONVERSATIONS = 5_000

/** As they fit into frames, in their order. */
export function framesOf(arrivals: readonly Arrival[]): Iterable<Arrival[]> {
  return partsOf(arrivals, FRAME_CONVERSATIONS, ({ conversationIds }) => conversationIds.length)
}

/** The rooms whose people are to hear that somebody is there. */
export function roomsOfArrival({ userId, conversationIds }: Arrival): ArrivalRooms {
  return { userId, rooms: conversationIds.map(conversationRoom) }
}

/**
 * Tells the sockets of this process in these rooms who came, but nobody of themself. A socket gets all its news in one
 * piece, and each once, however many conversations it shares with whom.
 * @param packets one for each arrival
 * @returns how many packets were written
 */
export function writeArrivals(io: Server, arrivals: readonly ArrivalRooms[], packets: readonly Packet[]): number {
  const { adapter, sockets } = io.sockets
  const newsOf = new Map<string, number[]>()
  for (const [arrival, { userId, rooms }] of arrivals.entries()) {
    const own = adapter.rooms.get(userRoom(userId))
    for (const room of rooms) {
      for (const socketId of adapter.rooms.get(room) ?? []) {
        if (own?.has(socketId)) continue
        const news = newsOf.get(socketId)
        if (news === undefined) newsOf.set(socketId, [arrival])
        else if (news.at(-1) !== arrival) news.push(arrival)
      }
    }
  }
  let written = 0
  for (const [socketId, news] of newsOf) {
    const socket = sockets.get(socketId)
    if (socket === undefined) continue
    const theirs = news.flatMap((arrival) => packets[arrival] ?? [])
    writePackets(socket, preparePackets(theirs))
    written += theirs.length
  }
  return written
}
