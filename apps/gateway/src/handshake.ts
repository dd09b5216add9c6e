import { toParleyError } from '@parley/messaging'
import { failure, ParleyError } from '@parley/protocol'
import type { Server, Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import type { Session } from './session.ts'

/**
 * Lets a socket in: its token is checked, its person made known, its rooms joined and their subscriptions confirmed.
 * Only then does the client see `connect`, so nothing that is published from that moment on passes it by.
 */
export function acceptHandshakes(io: Server, deps: GatewayDeps): void {
  io.use((socket, next) => {
    admit(socket, deps).then(
      () => next(),
      (error) => {
        const known = toParleyError(error)
        if (known.code === 'INTERNAL') deps.logger.error({ err: error }, 'a handshake failed')
        const { message, error: data } = failure(known)
        next(Object.assign(new Error(message), { data }))
      },
    )
  })
}

async function admit(socket: Socket, deps: GatewayDeps): Promise<void> {
  const identity = await deps.tokens.verify(socket.handshake.auth.token)
  if (identity.service) {
    throw new ParleyError('FORBIDDEN', { message: 'A service token opens no socket; use a token of a person.' })
  }
  const user = await deps.people.see(identity)
  socket.data.session = { user, identity } satisfies Session
  await deps.rooms.enter(socket, user.id, () => deps.membership.conversationsOf(user.id))
}
