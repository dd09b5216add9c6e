import { encodeAnswer, encodeSuccess, writePacket } from '@parley/fanout'
import { toParleyError } from '@parley/messaging'
import { type ClientEventName, failure, ParleyError, parseEvent } from '@parley/protocol'
import type { Span, SpanOptions, TraceParent } from '@parley/runtime'
import type { Socket } from 'socket.io'
import type { GatewayDeps } from './deps.ts'
import type { EventHandler } from './events/handler.ts'
import { eventHandlers } from './events/index.ts'
import { aboutSocket, sessionOf } from './session.ts'

const EVENT_SPAN: SpanOptions = { kind: 'server', attributes: { 'messaging.system': 'socket.io' } }

/** What a client sent. */
interface ReceivedEvent {
  name: string
  payload: unknown
  /** Of the ack that the client waits for. */
  ackId: number | undefined
}

/**
 * Answers whatever a connected socket sends: in the ack where there is one, else failures as an `exception` event. A
 * socket that is about to be closed takes nothing more: what it sends then stays unanswered, and its client sends it
 * again elsewhere.
 */
export function dispatchEvents(socket: Socket, deps: GatewayDeps): void {
  const { flow } = sessionOf(socket)
  const { logger, measures, standstill, tracer } = deps
  const verbose = logger.isLevelEnabled('trace')
  takeEvents(socket, (event) => {
    if (flow.closing || standstill.look()) return
    const name = known(event.name)
    flow.begin()
    measures.events.add(name)
    if (verbose) logger.trace({ ...aboutSocket(socket), event: name }, 'event')
    void serve(socket, deps, event, tracer?.start(`event ${name}`, EVENT_SPAN))
  })
}

/**
 * In the place of what Socket.IO does with an event: a closure for the ack, a walk through the listeners to any event, and
 * a turn through process.nextTick to the listeners of this one. Figures in docs/PERFORMANCE.md.
 */
function takeEvents(socket: Socket, take: (event: ReceivedEvent) => void): void {
  const onevent = ({ data: [name, payload], id }: { data: unknown[]; id?: number }) =>
    take({ name: String(name), payload, ackId: id })
  Reflect.set(socket, 'onevent', onevent)
}

/** Never rejects. */
async function serve(socket: Socket, deps: GatewayDeps, event: ReceivedEvent, span: Span | undefined): Promise<void> {
  try {
    let data: unknown
    try {
      data = await answer(socket, deps, event, span?.traceparent)
    } catch (error) {
      span?.end(error)
      refuse(socket, deps, event, error, span?.traceId)
      return
    }
    deps.measures.answers.add('ok')
    span?.end()
    if (event.ackId !== undefined) writePacket(socket, encodeSuccess(event.ackId, data))
  } catch (error) {
    deps.logger.error({ err: error, ...aboutSocket(socket), event: known(event.name) }, 'an answer could not be sent')
  } finally {
    sessionOf(socket).flow.end()
  }
}

function answer(
  socket: Socket,
  deps: GatewayDeps,
  { name, payload }: ReceivedEvent,
  trace: TraceParent | undefined,
): Promise<unknown> {
  const session = sessionOf(socket)
  deps.limits.takeEvent(socket.id, session.flow.inFlight)
  if (!isClientEvent(name)) {
    throw new ParleyError('UNKNOWN_EVENT', { message: `There is no event ${JSON.stringify(name.slice(0, 100))}.` })
  }
  // Each handler takes what its own schema makes of the payload; the table's type says so, name by name.
  const handler = eventHandlers[name] as EventHandler<ClientEventName>
  const context = { deps, socket, session, payload: parseEvent(name, payload), trace }
  return handler(context as Parameters<typeof handler>[0])
}

/** What is not ours may be anything: it is neither counted nor logged by its name. */
function known(name: string): ClientEventName | 'unknown' {
  return isClientEvent(name) ? name : 'unknown'
}

function isClientEvent(name: string): name is ClientEventName {
  return Object.hasOwn(eventHandlers, name)
}

function refuse(
  socket: Socket,
  { logger, measures }: GatewayDeps,
  { name, ackId }: ReceivedEvent,
  error: unknown,
  traceId: string | undefined,
): void {
  const refusal = toParleyError(error)
  measures.answers.add('error')
  measures.eventErrors.add(refusal.code)
  const about = { ...aboutSocket(socket), event: known(name), code: refusal.code, traceId }
  if (refusal.code === 'INTERNAL') logger.error({ err: error, ...about }, 'an event failed')
  else logger.debug(about, 'an event was refused')
  const body = failure(refusal)
  if (ackId === undefined) socket.emit('exception', { event: name.slice(0, 100), ...body })
  else writePacket(socket, encodeAnswer(ackId, body))
}
