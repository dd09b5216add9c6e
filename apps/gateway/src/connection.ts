import { ParleyError } from '@parley/protocol'
import type { Server, Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import { dispatchEvents } from './dispatch.ts'
import { aboutSocket, sessionOf } from './session.ts'
import { endSocket } from './token-guard.ts'

/** Serves each socket from `connect` to `disconnect`. */
export function serveConnections(io: Server, deps: GatewayDeps): void {
  const verbose = deps.logger.isLevelEnabled('debug')
  io.on('connection', (socket: Socket) => {
    const { user, identity, tokenLife } = sessionOf(socket)
    // No longer needed after the handshake; Engine.IO would keep the first HTTP request in memory for the whole connection.
    Reflect.set(socket.conn, 'request', null)
    tokenLife.start(identity.expiresAt)
    deps.measures.connected++
    if (verbose) deps.logger.debug({ ...aboutSocket(socket), transport: socket.conn.transport.name }, 'connected')
    dispatchEvents(socket, deps)
    enterPresence(socket, deps).catch((error) =>
      deps.logger.warn({ err: error, ...aboutSocket(socket) }, 'could not announce presence'),
    )
    socket.on('disconnect', (reason) => {
      deps.measures.disconnected.add(reason)
      if (verbose) deps.logger.debug({ ...aboutSocket(socket), reason }, 'disconnected')
      tokenLife.stop()
      deps.typing.forget(socket)
      deps.presence.disconnect(user.id, socket.id)
    })
    // The token may have been revoked since the handshake checked it.
    deps.revocations.require(identity).catch((error: unknown) => {
      if (error instanceof ParleyError && error.code === 'TOKEN_INVALID') endSocket(socket, error)
    })
  })
}

/** Records the connection, and tells the person's contacts if it is their first anywhere. */
async function enterPresence(socket: Socket, { presence, onlineNews }: GatewayDeps): Promise<void> {
  const session = sessionOf(socket)
  const { id: userId, fullName: userName } = session.user
  // A page that reconnects in the background says so in its handshake: it must not count as visible even for a moment.
  const visible = socket.handshake.auth.visible !== false
  const { becameOnline } = await presence.connect(userId, socket.id, { visible })
  if (becameOnline) onlineNews.tell({ userId, userName, conversationIds: session.shownIn })
  session.shownIn = []
}
