import type { ClientEventName, ClientEvents } from '@parley/protocol'
import type { TraceParent } from '@parley/runtime'
import type { Socket } from 'socket.io'
import type { GatewayDeps } from '../deps.ts'
import type { Session } from '../session.ts'

export interface EventContext<Payload> {
  deps: GatewayDeps
  socket: Socket
  session: Session
  payload: Payload
  /** The event's span, if it is traced. */
  trace: TraceParent | undefined
}

/** Handles one event. It resolves to the ack's `data`; what it throws becomes the ack's `error`. */
export type EventHandler<Name extends ClientEventName> = (context: EventContext<ClientEvents[Name]>) => Promise<unknown>
