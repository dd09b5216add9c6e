import type { Server as HttpServer } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Presence } from '@parley/presence'
import { within } from '@parley/runtime/within'
import type { Server, Socket } from 'socket.io'
import { sessionOf } from './session.ts'

export interface DrainOptions {
  http: HttpServer
  io: Server
  presence: Presence
  /** Pause before the first socket is closed, in which the balancer learns that this process is not ready. */
  delayMs: number
}

/** Time between two batches, and how many there are for those who are connected at first: they are closed within 10 s. */
const PAUSE_MS = 100
const BATCHES = 100
/** Fewer are closed at once, however few there are in all. */
const LEAST_BATCH = 50
/** A send is answered within the writer's own two seconds; after this a socket is closed with answers outstanding. */
const ANSWER_BOUND_MS = 3_000
/** Polling clients fetch what is left for them within this; what has not closed after it goes with the process. */
const CLOSE_BOUND_MS = 2_000
/** Sockets that come while others are closed get a round of their own. */
const ROUNDS = 5

/**
 * Closes all sockets so that nobody loses anything and nobody has to be told: each stops taking events, its accepted
 * events are answered, and then its transport is closed, upon which stock clients connect elsewhere by themselves
 * (after `socket.disconnect()` they would not). Batches keep the other gateways from getting all of them in one moment.
 */
export async function drain({ http, io, presence, delayMs }: DrainOptions): Promise<void> {
  await delay(delayMs)
  presence.drain()
  const size = Math.max(LEAST_BATCH, Math.ceil(io.sockets.sockets.size / BATCHES))
  // While it still listens: a polling client gets its last answers with its next request.
  await closeAll(io, size, (socket) => socket.conn.transport.name === 'polling')
  const closed = new Promise<void>((resolve) => http.close(() => resolve()))
  http.closeIdleConnections()
  for (let round = 0; round < ROUNDS && io.sockets.sockets.size > 0; round++) await closeAll(io, size, () => true)
  // What is left now had not come as far as the namespace, or does not read.
  io.engine.close()
  http.closeAllConnections()
  // A client that has frozen never answers the WebSocket's close, for which ws waits half a minute.
  await within(CLOSE_BOUND_MS, closed, () => undefined)
}

async function closeAll(io: Server, size: number, chosen: (socket: Socket) => boolean): Promise<void> {
  const sockets = [...io.sockets.sockets.values()].filter(chosen)
  const closing: Promise<void>[] = []
  for (let from = 0; from < sockets.length; from += size) {
    if (from > 0) await delay(PAUSE_MS)
    for (const socket of sockets.slice(from, from + size)) closing.push(closeGently(socket))
  }
  await Promise.all(closing)
}

async function closeGently(socket: Socket): Promise<void> {
  const gone = new Promise<void>((resolve) => socket.once('disconnect', () => resolve()))
  await sessionOf(socket).flow.close(ANSWER_BOUND_MS)
  if (socket.disconnected) return
  // Closes once its buffer, the last answers in it, is handed to the transport.
  socket.conn.close()
  await within(CLOSE_BOUND_MS, gone, () => undefined)
}
