import { toParleyError } from '@parley/messaging'
import { type ClientEventName, clientEvents, failure, ParleyError, parse } from '@parley/protocol'
import type { Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import type { EventHandler } from './events/handler.ts'
import { eventHandlers } from './events/index.ts'
import { sessionOf } from './session.ts'

type Ack = (answer: unknown) => void

/** Answers whatever a connected socket sends: in the ack where there is one, else failures as an `exception` event. */
export function dispatchEvents(socket: Socket, deps: GatewayDeps): void {
  socket.onAny((name: unknown, ...args: unknown[]) => {
    const event = String(name)
    const last = args.at(-1)
    const ack = typeof last === 'function' ? (last as Ack) : undefined
    answer(socket, deps, event, ack === undefined ? args : args.slice(0, -1))
      .then(
        (data) => ack?.({ success: true, data }),
        (error) => refuse(socket, deps, event, ack, error),
      )
      .catch((error) => deps.logger.error({ err: error, event }, 'an answer could not be sent'))
  })
}

async function answer(socket: Socket, deps: GatewayDeps, event: string, args: unknown[]): Promise<unknown> {
  if (!isClientEvent(event)) {
    throw new ParleyError('UNKNOWN_EVENT', { message: `There is no event ${JSON.stringify(event.slice(0, 100))}.` })
  }
  // Each handler takes what its own schema makes of the payload; the table's type says so, name by name.
  const handler = eventHandlers[event] as EventHandler<ClientEventName>
  const payload = parse(clientEvents[event], args[0])
  return handler({ deps, socket, session: sessionOf(socket), payload } as Parameters<typeof handler>[0])
}

function isClientEvent(name: string): name is ClientEventName {
  return Object.hasOwn(eventHandlers, name)
}

function refuse(socket: Socket, deps: GatewayDeps, event: string, ack: Ack | undefined, error: unknown): void {
  const known = toParleyError(error)
  if (known.code === 'INTERNAL') deps.logger.error({ err: error, event }, 'an event failed')
  const body = failure(known)
  if (ack === undefined) socket.emit('exception', { event: event.slice(0, 100), ...body })
  else ack(body)
}
