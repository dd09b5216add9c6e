import type { GatewayRooms } from '@parley/fanout'
import type { Membership, People } from '@parley/messaging'
import { retried } from '@parley/runtime/retried'
import type { Server, Socket } from 'socket.io'
import { sessionOf } from './session.ts'

/**
 * The sockets of a gateway are told to sync over this period, in milliseconds, so that they do not all do so at once. It is longer
 * if each of them has to fetch everything again.
 */
const SPREAD_MS = { changes: 3_000, everything: 10_000 }
const ROUNDS = 30

export interface ResyncOptions {
  io: Server
  rooms: Pick<GatewayRooms, 'enter' | 'confirmed'>
  membership: Pick<Membership, 'conversationsOf'>
  people: Pick<People, 'see'>
  onError: (error: unknown) => void
  /** Called for each socket that is told. */
  onAsked?: () => void
}

/**
 * Tells sockets to sync after this gateway was cut off from Redis: they have missed messages, and perhaps membership changes. Or
 * after the database lost a part of its history, in which the person may be missing, or be in other conversations. Their rooms
 * are corrected first, so that nothing falls in between.
 */
export class Resync {
  readonly #options: ResyncOptions
  readonly #timers = new Set<NodeJS.Timeout>()
  #underWay = new AbortController()
  /** Milliseconds since 1970. */
  #startedAt = Number.NEGATIVE_INFINITY

  constructor(options: ResyncOptions) {
    this.#options = options
    // A handshake that was under way then may have read its conversations before the cut.
    options.io.on('connection', (socket: Socket) => {
      if (socket.handshake.issued <= this.#startedAt) void this.#ask(socket)
      else if (!sessionOf(socket).confirmed) void this.#askOnceConfirmed(socket)
    })
  }

  /**
   * Tells every socket that is connected now, and those still in their handshake once they are connected. A call while an
   * earlier one is under way starts over.
   * @param told what they have to fetch
   */
  start(told: 'changes' | 'everything' = 'changes'): void {
    this.stop()
    this.#underWay = new AbortController()
    this.#startedAt = Date.now()
    const sockets = [...this.#options.io.sockets.sockets.values()]
    const perRound = Math.max(1, Math.ceil(sockets.length / ROUNDS))
    for (let round = 0; round * perRound < sockets.length; round++) {
      const batch = sockets.slice(round * perRound, (round + 1) * perRound)
      const timer = setTimeout(
        () => {
          this.#timers.delete(timer)
          for (const socket of batch) void this.#ask(socket)
        },
        (round * SPREAD_MS[told]) / ROUNDS,
      )
      this.#timers.add(timer)
    }
  }

  stop(): void {
    this.#underWay.abort()
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  /** For a socket let in while Redis was silent: it may have missed messages even if the Redis connection was never lost. */
  async #askOnceConfirmed(socket: Socket): Promise<void> {
    const { signal } = this.#underWay
    await retried(async () => {
      if (signal.aborted || !socket.connected) return
      if (!(await this.#options.rooms.confirmed())) throw new Error('Redis is silent')
      await this.#ask(socket)
    }, Number.POSITIVE_INFINITY)
  }

  /** Never rejects: while the database is away, it retries for as long as the socket is connected. */
  async #ask(socket: Socket): Promise<void> {
    const { rooms, membership, people } = this.#options
    const { signal } = this.#underWay
    await retried(async (attempt) => {
      if (signal.aborted || !socket.connected) return
      try {
        const { user, identity } = sessionOf(socket)
        const { id } = user
        await people.see(identity)
        await rooms.enter(socket, id, () => membership.conversationsOf(id))
      } catch (error) {
        if (attempt === 1) this.#options.onError(error)
        throw error
      }
      socket.emit('resync', {})
      this.#options.onAsked?.()
    }, Number.POSITIVE_INFINITY)
  }
}
