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
  /** Pause before the first socket is closed, in which the balancer notices that this process is not ready. Milliseconds. */
  delayMs: number
}

/** Pause between two batches (ms), and the number of batches: all sockets connected at the start are closed within 10 s. */
const PAUSE_MS = 100
const BATCHES = 100
/** The smallest batch. */
const LEAST_BATCH = 50
/** After this long a socket is closed with answers outstanding (ms). The writer answers a send within two seconds. */
const ANSWER_BOUND_MS = 3_000
/** How long a polling client has to fetch its last packets, and the server to close (ms). */
const CLOSE_BOUND_MS = 2_000
/** At most this many passes: sockets that connect during one are closed in the next. */
const ROUNDS = 5

/**
 * Closes all sockets without losing anything: each stops taking events, its accepted events are answered, and then its
 * transport is closed. Stock clients then reconnect elsewhere on their own, which they would not do after
 * `socket.disconnect()`. Batches keep them from all arriving at the other gateways at once.
 */
export async function drain({ http, io, presence, delayMs }: DrainOptions): Promise<void> {
  await delay(delayMs)
  presence.drain()
  const size = Math.max(LEAST_BATCH, Math.ceil(io.sockets.sockets.size / BATCHES))
  // Polling clients first, while the server still listens: they fetch their last answers with their next request.
  await closeAll(io, size, (socket) => socket.conn.transport.name === 'polling')
  const closed = new Promise<void>((resolve) => http.close(() => resolve()))
  http.closeIdleConnections()
  for (let round = 0; round < ROUNDS && io.sockets.sockets.size > 0; round++) await closeAll(io, size, () => true)
  // Whatever is left never joined the namespace, or does not read.
  io.engine.close()
  http.closeAllConnections()
  // A frozen client never answers the close frame, and ws would wait half a minute for it.
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
  // Closes only after its buffer, with the last answers, has been handed to the transport.
  socket.conn.close()
  await within(CLOSE_BOUND_MS, gone, () => undefined)
}
