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
  /** Where the event is traced. */
  trace: TraceParent | undefined
}

/** Answers one event. What it resolves to is the ack's `data`; what it throws is the ack's `error`. */
export type EventHandler<Name extends ClientEventName> = (context: EventContext<ClientEvents[Name]>) => Promise<unknown>
