import type { ServerEventName, ServerEvents } from '@parley/protocol'
import { io, type ManagerOptions, type Socket, type SocketOptions } from 'socket.io-client'
import type { Reply } from './http.ts'

/** A watchdog for expected events: as long as Vitest polls, and more than a process starved of CPU needs. */
const BOUND_MS = 10_000

type Payload<Event extends string> = Event extends ServerEventName ? ServerEvents[Event] : unknown

export interface Bound {
  /** How long to wait, in milliseconds. Default 10,000. */
  timeoutMs?: number
}

/** A refused connection; `code` is the server's error code, if it sent one. */
export class ConnectError extends Error {
  override readonly name = 'ConnectError'
  readonly data: unknown

  constructor(message: string, data: unknown) {
    super(message)
    this.data = data
  }

  get code(): unknown {
    const data = this.data
    return typeof data === 'object' && data !== null && 'code' in data ? data.code : undefined
  }
}

export type ConnectOptions = Partial<ManagerOptions & SocketOptions>

/** Opens a separate connection (never a shared Manager). Resolves when connected; rejects with a ConnectError. */
export async function connect(url: string, options: ConnectOptions = {}): Promise<Socket> {
  const socket = io(url, {
    forceNew: true,
    timeout: BOUND_MS,
    reconnectionDelay: 100,
    reconnectionDelayMax: 500,
    ...options,
  })
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: Error & { data?: unknown }) => {
      socket.disconnect()
      reject(new ConnectError(error.message, error.data))
    }
    socket.once('connect', () => {
      socket.off('connect_error', refuse)
      resolve()
    })
    socket.once('connect_error', refuse)
  })
  return socket
}

/**
 * Resolves with the payload of the next matching event. It only sees events from when it is called, so call it before what
 * causes the event. Rejects on timeout with the list of events received instead.
 */
export async function next<Event extends string>(
  socket: Socket,
  event: Event,
  predicate: (payload: Payload<Event>) => boolean = () => true,
  bound: Bound = {},
): Promise<Payload<Event>> {
  const [first] = await collect(socket, event, 1, { ...bound, predicate })
  return first as Payload<Event>
}

/** Resolves with the payloads of the next `count` matching events, in order of arrival. Otherwise like {@link next}. */
export function collect<Event extends string>(
  socket: Socket,
  event: Event,
  count: number,
  options: Bound & { predicate?: (payload: Payload<Event>) => boolean } = {},
): Promise<Payload<Event>[]> {
  const { timeoutMs = BOUND_MS, predicate = () => true } = options
  return new Promise((resolve, reject) => {
    const found: Payload<Event>[] = []
    const seen: string[] = []
    const done = () => {
      clearTimeout(timer)
      socket.offAny(listener)
    }
    const listener = (name: string, payload: Payload<Event>) => {
      seen.push(name)
      if (name !== event || !predicate(payload)) return
      found.push(payload)
      if (found.length < count) return
      done()
      resolve(found)
    }
    const timer = setTimeout(() => {
      done()
      const what = count === 1 ? `No ${event}` : `${found.length} of ${count} ${event}`
      reject(new Error(`${what} within ${timeoutMs} ms. Events received: ${seen.slice(-30).join(', ') || 'none'}`))
    }, timeoutMs)
    socket.onAny(listener)
  })
}

/** Sends an event and resolves with its ack, a success or a failure. Rejects on timeout. */
export function emit<T = unknown>(
  socket: Socket,
  event: string,
  payload?: unknown,
  bound: Bound = {},
): Promise<Reply<T>> {
  const args = payload === undefined ? [] : [payload]
  return socket.timeout(bound.timeoutMs ?? BOUND_MS).emitWithAck(event, ...args)
}

/** Resolves with the reason when the connection closes. */
export function disconnected(socket: Socket, bound: Bound = {}): Promise<string> {
  if (!socket.connected) return Promise.resolve('already disconnected')
  return lifecycle(socket, 'disconnect', bound)
}

/** Resolves when the connection is up again, immediately if it is now. */
export async function reconnected(socket: Socket, bound: Bound = {}): Promise<void> {
  if (!socket.connected) await lifecycle(socket, 'connect', bound)
}

function lifecycle(socket: Socket, event: 'connect' | 'disconnect', { timeoutMs = BOUND_MS }: Bound): Promise<string> {
  return new Promise((resolve, reject) => {
    const listener = (reason?: string) => {
      clearTimeout(timer)
      resolve(reason ?? '')
    }
    const timer = setTimeout(() => {
      socket.off(event, listener)
      reject(new Error(`No ${event} within ${timeoutMs} ms`))
    }, timeoutMs)
    socket.once(event, listener)
  })
}
