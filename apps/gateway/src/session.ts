import type { Identity } from '@parley/auth'
import type { User } from '@parley/protocol'
import type { Socket } from 'socket.io'
import type { EventFlow } from './flow.ts'
import type { TokenLife } from './token-life.ts'

/** What a gateway knows of a connected socket. */
export interface Session {
  user: User
  /** Of the newest token that the client handed in. */
  identity: Identity
  flow: EventFlow
  tokenLife: TokenLife
  /** The conversations in which the person is shown, until their contacts have been told that they came. */
  shownIn: readonly string[]
  /** Whether Redis had confirmed their rooms when they were let in. */
  confirmed: boolean
}

/** What a log line says of a socket: whose it is and which, never what it sent. */
export function aboutSocket(socket: Socket): { connectionId: string; userId?: string } {
  const session = socket.data.session as Session | undefined
  return { connectionId: socket.id, ...(session === undefined ? {} : { userId: session.user.id }) }
}

/** Set by the handshake before the socket connects. */
export function sessionOf(socket: Socket): Session {
  const session = socket.data.session as Session | undefined
  if (session === undefined) throw new Error('a socket without a session')
  return session
}
