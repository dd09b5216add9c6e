import type { ServerEvents } from '@parley/protocol'
import { io, type Socket } from 'socket.io-client'
import { fullJitter } from './backoff.ts'
import { fromBody, isFailure, isSuccess, ParleyClientError, toClientError } from './errors.ts'
import type { TokenSource } from './token.ts'

/**
 * offline -> connecting -> syncing -> live, and back to offline from anywhere.
 *
 * - offline: no connection; reconnects automatically after a delay, unless the client is closed.
 * - connecting: an attempt is in progress.
 * - syncing: connected; missed changes are being fetched. Sending works already.
 * - live: nothing is missing.
 */
export type ConnectionState = 'offline' | 'connecting' | 'syncing' | 'live'

/** First and last upper bound of the full-jitter reconnect delay. Stock Socket.IO clients retry about every 5 s. */
const BACKOFF = { baseMs: 500, maxMs: 8_000 }
/** The same, for when no gateway has been reached for a while, and for refused tokens. */
const LONG_BACKOFF = { ...BACKOFF, maxMs: 30_000 }
/** Attempts in a row (one or two minutes' worth) without reaching a gateway before LONG_BACKOFF applies. */
const SHORT_BACKOFF_ATTEMPTS = 20
/** A connection that has lasted this long counts as good and resets the backoff. Milliseconds. */
const STABLE_MS = 5_000
const ACK_MS = 10_000
const CONNECT_MS = 10_000
/** The longest delay that setTimeout supports, in milliseconds. */
const TIMER_MAX = 2 ** 31 - 1

export interface ConnectionOptions {
  url: string
  tokens: TokenSource
  /** Passed to Socket.IO and Engine.IO on top of the client's own choices (`extraHeaders`, `path`, …). */
  socketOptions?: Record<string, unknown>
  /** Returns what the handshake sends besides the token. */
  hello: () => Record<string, unknown>
  onState: (state: ConnectionState) => void
  /** Called for every event from the server. */
  onEvent: (name: string, payload: unknown) => void
  /** Catches up; resolves when nothing is missing. If it rejects, the connection is dropped and retried. */
  onConnect: () => Promise<void>
  onError: (error: ParleyClientError) => void
}

/** Keeps one Socket.IO connection open: reconnects for ever, and renews the token while connected. */
export class Connection {
  readonly #options: ConnectionOptions
  #socket: Socket | undefined
  /** The token that the server holds for this socket. */
  #token = ''
  #state: ConnectionState = 'offline'
  #started = false
  #attempt = 0
  /** Consecutive token refusals, counted apart from `#attempt`: they say nothing about whether servers are reachable. */
  #refusals = 0
  /** What the current attempt, or the connection it led to, has run into. */
  #met = { gateway: false, refusal: false }
  #retry: ReturnType<typeof setTimeout> | undefined
  #stable: ReturnType<typeof setTimeout> | undefined
  #renewal: ReturnType<typeof setTimeout> | undefined

  constructor(options: ConnectionOptions) {
    this.#options = options
  }

  get state(): ConnectionState {
    return this.#state
  }

  /** Whether requests can be sent. */
  get connected(): boolean {
    return this.#socket?.connected === true
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    // Node has no `online` event.
    globalThis.addEventListener?.('online', this.#onOnline)
    void this.#connect()
  }

  /** Disconnects until the next {@link start}. */
  stop(): void {
    this.#started = false
    globalThis.removeEventListener?.('online', this.#onOnline)
    this.#drop()
    this.#setState('offline')
  }

  readonly #onOnline = () => this.hurry()

  /** Cuts a reconnect delay short and resets the backoff: the network is reported to be back. */
  hurry(): void {
    if (this.#retry === undefined) return
    this.#attempt = 0
    this.#refusals = 0
    void this.#connect()
  }

  /** Sends an event without waiting for its ack; drops it if there is no connection. */
  tell(event: string, payload: unknown): void {
    if (this.#socket?.connected) this.#socket.emit(event, payload, () => undefined)
  }

  /** Sends an event and resolves with the `data` of its ack. @throws {ParleyClientError} */
  async call<T>(event: string, payload: unknown, timeoutMs = ACK_MS): Promise<T> {
    const socket = this.#socket
    if (!socket?.connected) throw new ParleyClientError('NETWORK', 'There is no connection.')
    let answer: unknown
    try {
      answer = await socket.timeout(timeoutMs).emitWithAck(event, payload)
    } catch (cause) {
      if (!socket.connected) throw new ParleyClientError('NETWORK', 'The connection broke.', { cause })
      const error = new ParleyClientError('TIMEOUT', `${event} was not answered within ${timeoutMs} ms.`, { cause })
      // A working server answers within a few seconds, if only with an error. This one hangs: try another.
      this.#lost(socket, error)
      throw error
    }
    if (isSuccess(answer)) return answer.data as T
    if (isFailure(answer)) throw fromBody(answer.error)
    throw new ParleyClientError('BAD_ANSWER', `The answer to ${event} is not one of a Parley server.`)
  }

  async #connect(): Promise<void> {
    this.#drop()
    this.#met = { gateway: false, refusal: false }
    this.#setState('connecting')
    const { tokens, url, socketOptions, hello } = this.#options
    let token: string
    try {
      token = await tokens.get()
    } catch (error) {
      return this.#failed(toClientError(error))
    }
    if (!this.#started || this.#socket !== undefined) return
    const socket = io(url, {
      transports: ['websocket', 'polling'],
      tryAllTransports: true,
      timeout: CONNECT_MS,
      ...socketOptions,
      forceNew: true,
      reconnection: false,
      auth: { ...hello(), token },
    })
    this.#socket = socket
    this.#token = token
    const met = this.#met
    socket.io.once('open', () => {
      met.gateway = true
    })
    socket.once('connect', () => this.#onConnect(socket))
    socket.once('connect_error', (error: Error & { data?: unknown }) => {
      const known = connectError(error)
      if (known.isTokenProblem) tokens.reject(token)
      this.#lost(socket, known)
    })
    socket.once('disconnect', (reason) => {
      this.#lost(socket, new ParleyClientError('NETWORK', `The connection ended (${reason}).`))
    })
    socket.onAny((name: string, payload: unknown) => {
      if (socket === this.#socket) this.#onEvent(name, payload)
    })
  }

  #onEvent(name: string, payload: unknown): void {
    if (name === 'exception') {
      const { error } = payload as ServerEvents['exception']
      if (error.code.startsWith('TOKEN_')) {
        this.#met.refusal = true
        this.#options.tokens.reject(this.#token)
      }
    }
    this.#options.onEvent(name, payload)
  }

  #onConnect(socket: Socket): void {
    this.#stable = setTimeout(() => {
      this.#attempt = 0
      this.#refusals = 0
    }, STABLE_MS)
    this.#planRenewal(0)
    this.#setState('syncing')
    this.#options.onConnect().then(
      () => socket === this.#socket && this.#setState('live'),
      (error) => this.#lost(socket, toClientError(error)),
    )
  }

  /** Goes back to `syncing` while `work` fetches what is missing on the open connection, then to `live`. */
  async during(work: Promise<void>): Promise<void> {
    const socket = this.#socket
    if (this.#state === 'live') this.#setState('syncing')
    try {
      await work
      if (socket !== undefined && socket === this.#socket && socket.connected) this.#setState('live')
    } catch (error) {
      if (socket !== undefined) this.#lost(socket, toClientError(error))
    }
  }

  #lost(socket: Socket, error: ParleyClientError): void {
    if (socket === this.#socket) this.#failed(error)
  }

  #failed(error: ParleyClientError): void {
    this.#drop()
    if (!this.#started) return
    this.#setState('offline')
    this.#options.onError(error)
    const delay = Math.max(error.retryAfterMs ?? 0, this.#delayAfter(error))
    this.#retry = setTimeout(() => void this.#connect(), delay)
  }

  #delayAfter(error: ParleyClientError): number {
    const { gateway, refusal } = this.#met
    if (refusal || error.isTokenProblem) return fullJitter(this.#refusals++, LONG_BACKOFF)
    const isShort = gateway || this.#attempt < SHORT_BACKOFF_ATTEMPTS
    return fullJitter(this.#attempt++, isShort ? BACKOFF : LONG_BACKOFF)
  }

  /** Closes the current connection and cancels all timers. */
  #drop(): void {
    for (const timer of [this.#retry, this.#stable, this.#renewal]) clearTimeout(timer)
    this.#retry = undefined
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined) return
    // A silently dead socket would hold on to its buffered packets until their acks time out.
    socket.sendBuffer = []
    socket.disconnect()
  }

  /** Schedules sending a new token over the open connection before the old one expires; retries failures with backoff. */
  #planRenewal(attempt: number): void {
    clearTimeout(this.#renewal)
    const { tokens } = this.#options
    const dueInMs = tokens.renewInMs
    if (dueInMs === undefined) return
    const delay = attempt === 0 ? dueInMs : 1_000 * 2 ** Math.min(attempt - 1, 4)
    this.#renewal = setTimeout(() => void this.#renew(attempt), Math.min(Math.max(delay, 0), TIMER_MAX))
  }

  async #renew(attempt: number): Promise<void> {
    const error = await this.#sendToken().then(() => undefined, toClientError)
    // The connection ended in the meantime; the next one plans its own renewal.
    if (!this.connected) return
    if (error !== undefined) this.#options.onError(error)
    this.#planRenewal(error === undefined ? 0 : attempt + 1)
  }

  /** Sends the current token unless the server has it already. An HTTP request may have obtained it before. */
  async #sendToken(): Promise<void> {
    const { tokens } = this.#options
    const token = await tokens.get()
    if (token === this.#token || !this.connected) return
    try {
      await this.call('renewToken', { token })
    } catch (error) {
      if (toClientError(error).isTokenProblem) tokens.reject(token)
      throw error
    }
    this.#token = token
  }

  #setState(state: ConnectionState): void {
    if (this.#state === state) return
    this.#state = state
    this.#options.onState(state)
  }
}

/** The error that the handshake was refused with, or NETWORK if no server was reached. */
function connectError(error: Error & { data?: unknown }): ParleyClientError {
  const answer = { success: false, error: error.data }
  if (isFailure(answer)) return fromBody(answer.error)
  return new ParleyClientError('NETWORK', error.message, { cause: error })
}
