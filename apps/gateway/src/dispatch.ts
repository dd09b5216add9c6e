import { toParleyError } from '@parley/messaging'
import { type ClientEventName, clientEvents, failure, ParleyError, parse } from '@parley/protocol'
import type { Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import type { EventHandler } from './events/handler.ts'
import { eventHandlers } from './events/index.ts'
import { sessionOf } from './session.ts'

type Ack = (answer: unknown) => void

/**
 * Answers whatever a connected socket sends: in the ack where there is one, else failures as an `exception` event. A
 * socket that is about to be closed takes nothing more: what it sends then stays unanswered, and its client sends it
 * again elsewhere.
 */
export function dispatchEvents(socket: Socket, deps: GatewayDeps): void {
  const { flow } = sessionOf(socket)
  socket.onAny((name: unknown, ...args: unknown[]) => {
    if (flow.closing) return
    const event = String(name)
    const last = args.at(-1)
    const ack = typeof last === 'function' ? (last as Ack) : undefined
    flow.begin()
    answer(socket, deps, event, ack === undefined ? args : args.slice(0, -1))
      .then(
        (data) => ack?.({ success: true, data }),
        (error) => refuse(socket, deps, event, ack, error),
      )
      .catch((error) => deps.logger.error({ err: error, event }, 'an answer could not be sent'))
      .finally(() => flow.end())
  })
}

async function answer(socket: Socket, deps: GatewayDeps, event: string, args: unknown[]): Promise<unknown> {
  const session = sessionOf(socket)
  await deps.limits.takeEvent(socket.id, session.flow.inFlight)
  if (!isClientEvent(event)) {
    throw new ParleyError('UNKNOWN_EVENT', { message: `There is no event ${JSON.stringify(event.slice(0, 100))}.` })
  }
  // Each handler takes what its own schema makes of the payload; the table's type says so, name by name.
  const handler = eventHandlers[event] as EventHandler<ClientEventName>
  const payload = parse(clientEvents[event], args[0])
  return handler({ deps, socket, session, payload } as Parameters<typeof handler>[0])
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
