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

/** An event as a client sent it. */
interface ReceivedEvent {
  name: string
  payload: unknown
  /** Id of the ack that the client waits for, if it wants one. */
  ackId: number | undefined
}

/**
 * Answers the events of a connected socket: in the ack if the client wants one; otherwise only failures are reported, as an
 * `exception` event. Once a socket is closing, its events stay unanswered, and its client sends them again elsewhere.
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
 * Replaces Socket.IO's own dispatch, which creates a closure for the ack, walks the catch-all listeners and defers to
 * process.nextTick for each event. docs/PERFORMANCE.md has the figures.
 */
function takeEvents(socket: Socket, take: (event: ReceivedEvent) => void): void {
  const onevent = ({ data: [name, payload], id }: { data: unknown[]; id?: number }) =>
    take({ name: String(name), payload, ackId: id })
  Reflect.set(socket, 'onevent', onevent)
}

/** Handles one event and answers it. Never rejects. */
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
    deps.logger.error({ err: error, ...aboutSocket(socket), event: known(event.name) }, 'could not send an answer')
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
  // The table's type ties each handler to its own payload; TypeScript cannot follow that through a name known only at run time.
  const handler = eventHandlers[name] as EventHandler<ClientEventName>
  const context = { deps, socket, session, payload: parseEvent(name, payload), trace }
  return handler(context as Parameters<typeof handler>[0])
}

/** Returns the event's name for metrics and logs: a name that is not ours may hold anything and must not end up there. */
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
