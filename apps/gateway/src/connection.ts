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
async function enterPresence(socket: Socket, { presence, onlineNews }: GatewayDeps): Promise<void> {
  const session = sessionOf(socket)
  const { id: userId, fullName: userName } = session.user
  // A page that comes back in the background is never taken to be looked at, not even until it has said so.
  const visible = socket.handshake.auth.visible !== false
  const { becameOnline } = await presence.connect(userId, socket.id, { visible })
  if (becameOnline) onlineNews.tell({ userId, userName, conversationIds: session.shownIn })
  session.shownIn = []
}
