import { type Bus, socketsIn, tokenNotices, userRoom } from '@parley/fanout'
import { REVOKED, type TokenRevocations } from '@parley/messaging'
import { failure, ParleyError } from '@parley/protocol'
import { partsOf } from '@parley/runtime/parts'
import type { Server, Socket } from 'socket.io'
import { sessionOf } from './session.ts'

export interface TokenGuardOptions {
  io: Server
  revocations: Pick<TokenRevocations, 'lookUp'>
  onError: (error: unknown) => void
}

/** How often all connected people are checked in case a notice was lost, in milliseconds. */
const LOOK_MS = 60_000
/** People looked up in one query. */
const BATCH = 1_000

/** Ends sockets whose tokens were revoked: at once when the notice arrives, within a minute if it is lost. */
export class TokenGuard {
  readonly #options: TokenGuardOptions
  readonly #timer: NodeJS.Timeout

  constructor(options: TokenGuardOptions) {
    this.#options = options
    this.#timer = setInterval(() => void this.look(), LOOK_MS)
  }

  /** Ends this person's sockets whose tokens were issued before `validFrom` (milliseconds since 1970). */
  revoke(userId: string, validFrom: number): void {
    // A socket still in its handshake is not among them: it checks on its own once it is connected.
    for (const socket of socketsIn(this.#options.io, userRoom(userId))) {
      if ((sessionOf(socket).identity.issuedAt?.getTime() ?? 0) < validFrom) endSocket(socket, revoked())
    }
  }

  /** Checks the tokens of all connected people. Never rejects. */
  async look(): Promise<void> {
    const sockets = [...this.#options.io.sockets.sockets.values()]
    const userIds = [...new Set(sockets.map((socket) => sessionOf(socket).identity.userId))]
    try {
      for (const some of partsOf(userIds, BATCH)) {
        const found = await this.#options.revocations.lookUp(some)
        for (const [userId, validFrom] of found) this.revoke(userId, validFrom)
      }
    } catch (error) {
      this.#options.onError(error)
    }
  }

  stop(): void {
    clearInterval(this.#timer)
  }
}

/** Starts a guard that listens for revocations in any process, and checks everybody after the connection to Redis was lost. */
export function guardTokens({
  io,
  bus,
  revocations,
  onError,
}: Omit<TokenGuardOptions, 'revocations'> & { bus: Bus; revocations: TokenRevocations }): TokenGuard {
  const guard = new TokenGuard({ io, revocations, onError })
  tokenNotices.listen(
    bus,
    (notice) => {
      revocations.note(notice)
      guard.revoke(notice.userId, notice.validFrom)
    },
    onError,
  )
  bus.on('restored', () => void guard.look())
  return guard
}

function revoked(): ParleyError {
  return new ParleyError('TOKEN_INVALID', { message: REVOKED })
}

/** Sends the reason in an `exception` and closes the transport. Stock clients then reconnect, with a new token or none. */
export function endSocket(socket: Socket, error: ParleyError): void {
  socket.emit('exception', { event: 'connect', ...failure(error) })
  socket.conn.close()
}
