import type { ServerEvents } from '@parley/protocol'
import { io, type Socket } from 'socket.io-client'
import { fullJitter } from './backoff.ts'
import { fromBody, isFailure, isSuccess, ParleyClientError, toClientError } from './errors.ts'
import type { TokenSource } from './token.ts'

/**
 * offline -> connecting -> syncing -> live, and back to offline from anywhere.
 *
 * - offline: no connection; the next try comes by itself after a while, unless the client is closed.
 * - connecting: a try is under way.
 * - syncing: connected, what was missed is being fetched. Sending works already.
 * - live: nothing is missing.
 */
export type ConnectionState = 'offline' | 'connecting' | 'syncing' | 'live'

/** First and last bound of the full-jitter delay before a reconnect, in milliseconds. Stock clients come every 5 s or so. */
const BACKOFF = { baseMs: 500, maxMs: 8_000 }
/** The same once nobody has been there for a while, and for tokens that are refused. */
const LONG_BACKOFF = { ...BACKOFF, maxMs: 30_000 }
/** Tries in a row, one or two minutes of them, after which it is a long time. Where a gateway is reached it never is. */
const SOON = 20
/** A connection that lasted this long counts as good: the next delay starts small again. Milliseconds. */
const STABLE_MS = 5_000
const ACK_MS = 10_000
const CONNECT_MS = 10_000
/** The longest time that setTimeout can wait, in milliseconds. */
const TIMER_MAX = 2 ** 31 - 1

export interface ConnectionOptions {
  url: string
  tokens: TokenSource
  /** Passed to Engine.IO on top of the client's own choices (`extraHeaders`, `path`, …). */
  socketOptions?: Record<string, unknown>
  /** What the handshake says beside the token. */
  hello: () => Record<string, unknown>
  onState: (state: ConnectionState) => void
  /** Any event of the server. */
  onEvent: (name: string, payload: unknown) => void
  /** Catches up; resolves when nothing is missing. Rejects when it could not: the connection is then tried anew. */
  onConnect: () => Promise<void>
  onError: (error: ParleyClientError) => void
}

/** One Socket.IO connection at a time, tried again for ever, with a token that is renewed while it is open. */
export class Connection {
  readonly #options: ConnectionOptions
  #socket: Socket | undefined
  /** What the server has of the person on this socket. */
  #token = ''
  #state: ConnectionState = 'offline'
  #started = false
  #attempt = 0
  /** Tokens that were refused in a row. What a new one mends has nothing to do with how often the servers were away. */
  #refusals = 0
  /** What this try, or the connection that it came to, has met. */
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

  /** Requests can be sent. */
  get connected(): boolean {
    return this.#socket?.connected === true
  }

  start(): void {
    if (this.#started) return
    this.#started = true
    // Node has no such events.
    globalThis.addEventListener?.('online', this.#onOnline)
    void this.#connect()
  }

  /** Closes for good, or until the next {@link start}. */
  stop(): void {
    this.#started = false
    globalThis.removeEventListener?.('online', this.#onOnline)
    this.#drop()
    this.#setState('offline')
  }

  /** The browser says that there is a network again. */
  readonly #onOnline = () => this.hurry()

  /** Tries now instead of waiting for the delay to end: the network is said to be back. */
  hurry(): void {
    if (this.#retry === undefined) return
    this.#attempt = 0
    this.#refusals = 0
    void this.#connect()
  }

  /** Sends an event that needs no answer; dropped where there is no connection. */
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
      // Servers answer within a few seconds, if only that they cannot: this one hangs. Another will do better.
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

  /** Back to `syncing` while something that is missing is fetched on an open connection, then to `live`. */
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
    const isSoon = gateway || this.#attempt < SOON
    return fullJitter(this.#attempt++, isSoon ? BACKOFF : LONG_BACKOFF)
  }

  /** Ends the current connection and everything planned. */
  #drop(): void {
    for (const timer of [this.#retry, this.#stable, this.#renewal]) clearTimeout(timer)
    this.#retry = undefined
    const socket = this.#socket
    this.#socket = undefined
    if (socket === undefined) return
    // What a socket that was silently dead has buffered would wait for its time-out, whatever becomes of the connection.
    socket.sendBuffer = []
    socket.disconnect()
  }

  /** Hands in a new token on the open connection before the old one ends. A failure is tried again in time. */
  #planRenewal(attempt: number): void {
    clearTimeout(this.#renewal)
    const { tokens } = this.#options
    const dueInMs = tokens.renewInMs
    if (dueInMs === undefined) return
    const delay = attempt === 0 ? dueInMs : 1_000 * 2 ** Math.min(attempt - 1, 4)
    this.#renewal = setTimeout(() => void this.#renew(attempt), Math.min(Math.max(delay, 0), TIMER_MAX))
  }

  async #renew(attempt: number): Promise<void> {
    const error = await this.#handIn().then(() => undefined, toClientError)
    // The connection ended meanwhile: the next one, if there is one, plans its own renewal.
    if (!this.connected) return
    if (error !== undefined) this.#options.onError(error)
    this.#planRenewal(error === undefined ? 0 : attempt + 1)
  }

  /** Nothing where the old one is good for a while yet. A request over HTTP may have got the new one already. */
  async #handIn(): Promise<void> {
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

/** What the handshake was refused with, or why there was no connection at all. */
function connectError(error: Error & { data?: unknown }): ParleyClientError {
  const answer = { success: false, error: error.data }
  if (isFailure(answer)) return fromBody(answer.error)
  return new ParleyClientError('NETWORK', error.message, { cause: error })
}
