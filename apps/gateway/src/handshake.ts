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
import { TokenLife } from './token-life.ts'
import { Waves } from './waves.ts'

/** As many as one statement asks about (packages/messaging: membership.ts, people.ts). */
const WAVE = 500
/**
 * A database that is away is waited for so long, and asked again after so long, in milliseconds. Socket.IO closes a connection that is
 * not let in within ten seconds, of which the last question may take five.
 */
const PATIENCE_MS = 4_000
const ASK_AGAIN_MS = 500

/**
 * Lets a socket in: its token is checked, its person made known, its rooms joined and their subscriptions confirmed.
 * Only then does the client see `connect`, so nothing that is published from that moment on passes it by.
 *
 * A refusal is final for stock clients: they do not try again after a `connect_error` that carries one. So where trying
 * again can help, the transport is closed instead, upon which they come back by themselves. For a database that is away they wait
 * here at first: they are let in the moment it is back, and thousands who come back every second cost more than a wave of them
 * that asks once more.
 */
export function acceptHandshakes(io: Server, deps: GatewayDeps): void {
  const waves = new Waves({ maxSize: WAVE, pauseMs: () => deps.crowd.wavePauseMs })
  const underWay = new WeakSet<Socket['conn']>()
  io.use((socket, next) => {
    const began = performance.now()
    alone(socket.conn, underWay, () => admit(socket, deps, waves)).then(
      () => {
        if (isOpen(socket)) deps.measures.handshakes.observe((performance.now() - began) / 1_000)
        // After a close, too: it clears away.
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
        // After a close it tells nobody, and clears away what the handshake had come to.
        next(Object.assign(new Error(message), { data }))
      },
    )
  })
}

/**
 * Runs the handshake of a connection that has no other under way: of two that are, Socket.IO would let both in.
 * @throws {ParleyError} RATE_LIMITED, upon which the connection is closed, the first handshake with it
 */
async function alone(conn: Socket['conn'], underWay: WeakSet<Socket['conn']>, work: () => Promise<void>) {
  if (underWay.has(conn)) throw new ParleyError('RATE_LIMITED', { message: 'A connection connects once at a time.' })
  underWay.add(conn)
  try {
    await work()
  } finally {
    underWay.delete(conn)
  }
}

async function admit(socket: Socket, deps: GatewayDeps, waves: Waves): Promise<void> {
  const identity = await deps.tokens.verify(socket.handshake.auth.token)
  if (identity.service) {
    throw new ParleyError('FORBIDDEN', { message: 'A service token opens no socket; use a token of a person.' })
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
      deps.logger.debug(aboutSocket(socket), 'a handshake waits for the database')
    }
    await delay(ASK_AGAIN_MS)
  }
}

function isOpen({ conn }: Socket): boolean {
  return conn.readyState === 'open'
}

/** Three questions, one after the other: is the token good, who and where is the person, and do their rooms reach them. */
async function enter(socket: Socket, identity: Identity, deps: GatewayDeps): Promise<void> {
  const { userId } = identity
  const good = deps.revocations.require(identity)
  const entered = deps.rooms.enter(socket, userId, async () => {
    // Nothing that a revoked token says of its person is written.
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
