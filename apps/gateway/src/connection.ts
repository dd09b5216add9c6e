import { failure, ParleyError } from '@parley/protocol'
import type { Server, Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import { dispatchEvents } from './dispatch.ts'
import { sessionOf } from './session.ts'

/** The longest time that setTimeout can wait, in milliseconds. */
const TIMER_MAX = 2 ** 31 - 1

/** What happens from `connect` to `disconnect`. */
export function serveConnections(io: Server, deps: GatewayDeps): void {
  io.on('connection', (socket: Socket) => {
    const { user } = sessionOf(socket)
    const expiry = endWithToken(socket)
    dispatchEvents(socket, deps)
    enterPresence(socket, deps).catch((error) => deps.logger.warn({ err: error }, 'presence could not be told'))
    socket.on('disconnect', () => {
      clearTimeout(expiry)
      deps.typing.forget(socket)
      deps.presence.disconnect(user.id, socket.id)
    })
  })
}

/** The first connection of a person anywhere is told to their contacts. */
async function enterPresence(socket: Socket, deps: GatewayDeps): Promise<void> {
  const { id } = sessionOf(socket).user
  const { becameOnline } = await deps.presence.connect(id, socket.id)
  if (becameOnline) await announceOnline(id, deps)
}

/** Tells a person's contacts that they are online. */
export async function announceOnline(
  userId: string,
  { people, membership, publisher }: Pick<GatewayDeps, 'people' | 'membership' | 'publisher'>,
): Promise<void> {
  const [{ fullName: userName }, contacts] = await Promise.all([people.get(userId), membership.contactsOf(userId)])
  publisher.toUsers(contacts, 'userOnline', { userId, userName })
}

/** A socket lives as long as its token. Closing the transport lets stock clients come back, with a new token or none. */
function endWithToken(socket: Socket): NodeJS.Timeout | undefined {
  const { expiresAt } = sessionOf(socket).identity
  if (expiresAt === null) return undefined
  const left = Math.max(0, expiresAt.getTime() - Date.now())
  if (left > TIMER_MAX) return undefined
  return setTimeout(() => {
    socket.emit('exception', { event: 'connect', ...failure(new ParleyError('TOKEN_EXPIRED')) })
    socket.conn.close()
  }, left)
}
