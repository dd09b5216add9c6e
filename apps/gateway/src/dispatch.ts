import { toParleyError } from '@parley/messaging'
import { type ClientEventName, clientEvents, failure, ParleyError, parse } from '@parley/protocol'
import type { Span, SpanOptions, TraceParent } from '@parley/runtime'
import type { Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import type { EventHandler } from './events/handler.ts'
import { eventHandlers } from './events/index.ts'
import { aboutSocket, sessionOf } from './session.ts'

type Ack = (answer: unknown) => void

const EVENT_SPAN: SpanOptions = { kind: 'server', attributes: { 'messaging.system': 'socket.io' } }

/**
 * Answers whatever a connected socket sends: in the ack where there is one, else failures as an `exception` event. A
 * socket that is about to be closed takes nothing more: what it sends then stays unanswered, and its client sends it
 * again elsewhere.
 */
export function dispatchEvents(socket: Socket, deps: GatewayDeps): void {
  const { flow } = sessionOf(socket)
  const { logger, measures, tracer } = deps
  const verbose = logger.isLevelEnabled('trace')
  socket.onAny((name: unknown, ...args: unknown[]) => {
    if (flow.closing) return
    const event = String(name)
    // What is not ours may be anything: it is neither counted nor logged by its name.
    const known = isClientEvent(event) ? event : 'unknown'
    const last = args.at(-1)
    const ack = typeof last === 'function' ? (last as Ack) : undefined
    flow.begin()
    measures.events.add(known)
    if (verbose) logger.trace({ ...aboutSocket(socket), event: known }, 'event')
    const span = tracer?.start(`event ${known}`, EVENT_SPAN)
    void serve(socket, deps, event, ack, ack === undefined ? args : args.slice(0, -1), span)
      .catch((error) =>
        logger.error({ err: error, ...aboutSocket(socket), event: known }, 'an answer could not be sent'),
      )
      .finally(() => flow.end())
  })
}

async function serve(
  socket: Socket,
  deps: GatewayDeps,
  event: string,
  ack: Ack | undefined,
  args: unknown[],
  span: Span | undefined,
): Promise<void> {
  let data: unknown
  try {
    data = await answer(socket, deps, event, args, span?.traceparent)
  } catch (error) {
    span?.end(error)
    return refuse(socket, deps, event, ack, error, span?.traceId)
  }
  deps.measures.answers.add('ok')
  span?.end()
  ack?.({ success: true, data })
}

async function answer(
  socket: Socket,
  deps: GatewayDeps,
  event: string,
  args: unknown[],
  trace: TraceParent | undefined,
): Promise<unknown> {
  const session = sessionOf(socket)
  await deps.limits.takeEvent(socket.id, session.flow.inFlight)
  if (!isClientEvent(event)) {
    throw new ParleyError('UNKNOWN_EVENT', { message: `There is no event ${JSON.stringify(event.slice(0, 100))}.` })
  }
  // Each handler takes what its own schema makes of the payload; the table's type says so, name by name.
  const handler = eventHandlers[event] as EventHandler<ClientEventName>
  const payload = parse(clientEvents[event], args[0])
  return handler({ deps, socket, session, payload, trace } as Parameters<typeof handler>[0])
}

function isClientEvent(name: string): name is ClientEventName {
  return Object.hasOwn(eventHandlers, name)
}

function refuse(
  socket: Socket,
  { logger, measures }: GatewayDeps,
  event: string,
  ack: Ack | undefined,
  error: unknown,
  traceId: string | undefined,
): void {
  const known = toParleyError(error)
  measures.answers.add('error')
  measures.eventErrors.add(known.code)
  const about = { ...aboutSocket(socket), event: isClientEvent(event) ? event : 'unknown', code: known.code, traceId }
  if (known.code === 'INTERNAL') logger.error({ err: error, ...about }, 'an event failed')
  else logger.debug(about, 'an event was refused')
  const body = failure(known)
  if (ack === undefined) socket.emit('exception', { event: event.slice(0, 100), ...body })
  else ack(body)
}
