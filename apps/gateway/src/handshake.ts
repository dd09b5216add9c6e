import { setTimeout as delay } from 'node:timers/promises'
import type { Identity } from '@parley/auth'
import { toParleyError } from '@parley/messaging'
import { ERRORS, failure, ParleyError } from '@parley/protocol'
import type { Server, Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import { EventFlow } from './flow.ts'
import { shownIn } from './online-news.ts'
import { aboutSocket, type Session, sessionOf } from './session.ts'
import { endSocket } from './token-guard.ts'
import { TokenLife, verifyForLife } from './token-life.ts'
import { Waves } from './waves.ts'

/** Handshakes per wave: as many people as one statement looks up (packages/messaging: membership.ts, people.ts). */
const WAVE = 500
/**
 * How long a handshake waits for a database that is away, and how long between two tries, in milliseconds. Socket.IO closes a
 * connection that is not let in within ten seconds, of which the last query may take five. The wait stays the same however long
 * the database has been away: a client that is closed reconnects within a second, at the cost of one more connection and handshake.
 * If only this gateway has lost the database, its readiness keeps balancers from sending new clients here within seconds.
 */
const PATIENCE_MS = 4_000
const ASK_AGAIN_MS = 500

/**
 * Lets a socket in: checks its token, records its person, joins its rooms and waits for their subscriptions to be confirmed.
 * Only then does the client see `connect`, so it misses nothing that is published after that.
 *
 * Stock clients do not retry after a refusal (a `connect_error` with data). So where a retry can help, the transport is closed
 * instead, and they reconnect on their own. While the database is away, handshakes wait here first: they get in the moment it
 * is back, and repeating one wave's queries costs less than thousands of reconnects each second.
 */
export function acceptHandshakes(io: Server, deps: GatewayDeps): void {
  const waves = new Waves({ maxSize: WAVE, pauseMs: () => deps.crowd.wavePauseMs })
  const underWay = new WeakSet<Socket['conn']>()
  io.use((socket, next) => {
    const began = performance.now()
    alone(socket.conn, underWay, () => admit(socket, deps, waves)).then(
      () => {
        if (isOpen(socket)) deps.measures.handshakes.observe((performance.now() - began) / 1_000)
        // Even if the connection has closed: Socket.IO then cleans up.
        next()
      },
      (error) => {
        const known = toParleyError(error)
        deps.measures.handshakeErrors.add(known.code)
        const about = { ...aboutSocket(socket), code: known.code }
        if (known.code === 'INTERNAL') deps.logger.error({ err: error, ...about }, 'a handshake failed')
        else deps.logger.debug(about, 'a handshake was refused')
        if (ERRORS[known.code].retry) socket.conn.close()
        const { message, error: data } = failure(known)
        // After a close this reaches nobody, but makes Socket.IO clean up.
        next(Object.assign(new Error(message), { data }))
      },
    )
  })
}

/**
 * Runs a handshake unless its connection has another one under way: Socket.IO would let both in.
 * @throws {ParleyError} RATE_LIMITED, which closes the connection and so ends both
 */
async function alone(conn: Socket['conn'], underWay: WeakSet<Socket['conn']>, work: () => Promise<void>) {
  if (underWay.has(conn)) throw new ParleyError('RATE_LIMITED', { message: 'A handshake is already under way.' })
  underWay.add(conn)
  try {
    await work()
  } finally {
    underWay.delete(conn)
  }
}

async function admit(socket: Socket, deps: GatewayDeps, waves: Waves): Promise<void> {
  const identity = await verifyForLife(deps.tokens, socket.handshake.auth.token)
  if (identity.service) {
    throw new ParleyError('FORBIDDEN', { message: 'A service token cannot open a socket; use a person’s token.' })
  }
  const until = performance.now() + PATIENCE_MS
  while (true) {
    try {
      await waves.join(
        () => enter(socket, identity, deps),
        () => isOpen(socket),
      )
      return
    } catch (error) {
      if (toParleyError(error).code !== 'UNAVAILABLE' || performance.now() > until) throw error
      deps.logger.debug(aboutSocket(socket), 'a handshake is waiting for the database')
    }
    await delay(ASK_AGAIN_MS)
  }
}

function isOpen({ conn }: Socket): boolean {
  return conn.readyState === 'open'
}

/** Checks that the token is not revoked, looks up the person and their conversations, and joins the rooms. */
async function enter(socket: Socket, identity: Identity, deps: GatewayDeps): Promise<void> {
  const { userId } = identity
  const good = deps.revocations.require(identity)
  const entered = deps.rooms.enter(socket, userId, async () => {
    // Before anything is stored: a revoked token must not change its person's name or picture.
    await good
    const asked = [deps.people.see(identity), deps.membership.conversationsOf(userId)] as const
    const [user, conversations] = await Promise.all(asked)
    const tokenLife = new TokenLife(() => endSocket(socket, new ParleyError('TOKEN_EXPIRED')))
    const flow = new EventFlow()
    const session = { user, identity, flow, tokenLife, shownIn: shownIn(conversations), confirmed: false }
    socket.data.session = session satisfies Session
    return conversations
  })
  const [confirmed] = await Promise.all([entered, good])
  sessionOf(socket).confirmed = confirmed
}
