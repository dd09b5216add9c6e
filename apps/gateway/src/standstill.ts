import { defaultTiming } from '@parley/presence'
import type { Server } from 'socket.io'

const LOOK_MS = 1_000
/** After the lease the others take a process that has not been heard of for dead. */
const LONGEST_MS = defaultTiming.leaseMs

/**
 * Notices that this process has stood still (SIGSTOP, a machine that was suspended). What came for it meanwhile is not
 * served: its clients have gone elsewhere, where the same may have been refused, and they have written on since.
 */
export class Standstill {
  readonly #io: Server
  readonly #timer: NodeJS.Timeout
  #seenAt = performance.now()

  constructor(io: Server) {
    this.#io = io
    this.#timer = setInterval(() => this.look(), LOOK_MS)
  }

  /**
   * Call before what came in is served: it may be read before timers run.
   * @returns whether it has stood still; then all connections have been closed, and their clients come back
   */
  look(): boolean {
    const now = performance.now()
    const stoodStill = now - this.#seenAt > LONGEST_MS
    this.#seenAt = now
    if (stoodStill) for (const socket of this.#io.sockets.sockets.values()) socket.conn.close()
    return stoodStill
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}
