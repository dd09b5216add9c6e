import type { Identity } from '@parley/auth'
import type { User } from '@parley/protocol'
import type { Socket } from 'socket.io'
import type { EventFlow } from './flow.ts'
import type { TokenLife } from './token-life.ts'

/** What a gateway knows about a connected socket. */
export interface Session {
  user: User
  /** From the client's newest token. */
  identity: Identity
  flow: EventFlow
  tokenLife: TokenLife
  /** Ids of the conversations in which the person's presence is shown; emptied once their arrival is announced. */
  shownIn: readonly string[]
  /** Whether Redis had confirmed the room subscriptions when the socket was let in. */
  confirmed: boolean
}

/** Returns the fields that identify a socket in a log line. Never includes what it sent. */
export function aboutSocket(socket: Socket): { connectionId: string; userId?: string } {
  const session = socket.data.session as Session | undefined
  return { connectionId: socket.id, ...(session === undefined ? {} : { userId: session.user.id }) }
}

/**
 * Returns the session that the handshake has set.
 * @throws when the socket has not passed the handshake
 */
export function sessionOf(socket: Socket): Session {
  const session = socket.data.session as Session | undefined
  if (session === undefined) throw new Error('a socket without a session')
  return session
}
