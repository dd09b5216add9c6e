import { setTimeout as delay } from 'node:timers/promises'
import { ParleyError } from '@parley/protocol'
import type { Server, Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import { dispatchEvents } from './dispatch.ts'
import { aboutSocket, sessionOf } from './session.ts'
import { endSocket } from './token-guard.ts'

/** What happens from `connect` to `disconnect`. */
export function serveConnections(io: Server, deps: GatewayDeps): void {
  const verbose = deps.logger.isLevelEnabled('debug')
  io.on('connection', (socket: Socket) => {
    const { user, identity, tokenLife } = sessionOf(socket)
    // The handshake has what it needs of it. Kept, the first HTTP request would stay in memory with each connection.
    Reflect.set(socket.conn, 'request', null)
    tokenLife.start(identity.expiresAt)
    deps.measures.connected++
    if (verbose) deps.logger.debug({ ...aboutSocket(socket), transport: socket.conn.transport.name }, 'connected')
    dispatchEvents(socket, deps)
    enterPresence(socket, deps).catch((error) =>
      deps.logger.warn({ err: error, ...aboutSocket(socket) }, 'presence could not be told'),
    )
    socket.on('disconnect', (reason) => {
      deps.measures.disconnected.add(reason)
      if (verbose) deps.logger.debug({ ...aboutSocket(socket), reason }, 'disconnected')
      tokenLife.stop()
      deps.typing.forget(socket)
      deps.presence.disconnect(user.id, socket.id)
    })
    // Between the handshake's look and this moment the token may have been revoked.
    deps.revocations.require(identity).catch((error: unknown) => {
      if (error instanceof ParleyError && error.code === 'TOKEN_INVALID') endSocket(socket, error)
    })
  })
}

/** The first connection of a person anywhere is told to their contacts. */
async function enterPresence(socket: Socket, deps: GatewayDeps): Promise<void> {
  const { id } = sessionOf(socket).user
  const { becameOnline } = await deps.presence.connect(id, socket.id)
  if (becameOnline) await announceOnline(id, deps)
}

/** Times that telling is tried, and the pause between them (ms): the database may be away for a moment. */
const TELL_TRIES = 10
const TELL_PAUSE_MS = 1_000

/** Tells a person's contacts that they are online. */
export async function announceOnline(userId: string, deps: AnnounceDeps): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      // Who has gone again meanwhile is not announced after having been reported.
      if (attempt > 1 && !(await deps.presenceReader.online([userId])).has(userId)) return
      return await tellContacts(userId, deps)
    } catch (error) {
      if (attempt === TELL_TRIES) throw error
      await delay(TELL_PAUSE_MS, undefined, { ref: false })
    }
  }
}

type AnnounceDeps = Pick<GatewayDeps, 'people' | 'membership' | 'publisher' | 'presenceReader'>

async function tellContacts(userId: string, { people, membership, publisher }: AnnounceDeps): Promise<void> {
  const [{ fullName: userName }, contacts] = await Promise.all([people.get(userId), membership.contactsOf(userId)])
  publisher.toPeople(contacts, 'userOnline', { userId, userName })
}
