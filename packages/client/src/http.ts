import { fullJitter, wait } from './backoff.ts'
import { fromBody, isFailure, isSuccess, ParleyClientError, toClientError } from './errors.ts'
import type { TokenSource } from './token.ts'
import { type Transfer, type TransferAnswer, transfer } from './transfer.ts'

const TIMEOUT_MS = 30_000
const TRIES = 4
const BACKOFF = { baseMs: 300, maxMs: 5_000 }

export interface HttpOptions {
  url: string
  tokens: TokenSource
  fetch: typeof globalThis.fetch
  /** Aborts all requests in progress when the client is closed. */
  closed: AbortSignal
}

export interface Request {
  query?: Record<string, string | number | undefined>
  /** Sent as JSON. */
  body?: unknown
  signal?: AbortSignal | undefined
}

/** Calls the HTTP API: adds the token, unwraps the envelope, turns failures into {@link ParleyClientError}. */
export class Http {
  readonly #options: HttpOptions

  constructor(options: HttpOptions) {
    this.#options = options
  }

  /** Sends a GET request, with retries as {@link again}. */
  get<T, M = undefined>(path: string, request: Request = {}): Promise<{ data: T; meta: M }> {
    return this.again(() => this.send<T, M>('GET', path, request), request.signal)
  }

  /** Runs idempotent work, and again up to TRIES times in all on errors that may pass. */
  async again<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await work()
      } catch (error) {
        const known = toClientError(error)
        if (!known.retryable || attempt + 1 >= TRIES) throw known
        const ended = this.#untilClosed(signal)
        await wait(Math.max(known.retryAfterMs ?? 0, fullJitter(attempt, BACKOFF)), ended)
        if (ended.aborted) throw known
      }
    }
  }

  /** Sends a large body; see transfer.ts. */
  async transfer({ signal, ...request }: Omit<Transfer, 'fetch'>): Promise<TransferAnswer> {
    const { closed, fetch } = this.#options
    try {
      return await transfer({ ...request, fetch, signal: this.#untilClosed(signal) })
    } catch (error) {
      throw closed.aborted ? closedError(error) : error
    }
  }

  /** Whether a server of another origin answers at all, even if the page may not read the response. */
  isThere(url: string): Promise<boolean> {
    const { closed, fetch } = this.#options
    return fetch(url, { method: 'HEAD', mode: 'no-cors', signal: closed }).then(
      ({ type }) => type === 'opaque',
      () => false,
    )
  }

  /** Sends a request once, and once more with a new token if the server refused the old one. */
  send<T, M = undefined>(method: string, path: string, request: Request = {}): Promise<{ data: T; meta: M }> {
    return this.withToken((token) => this.#once<T, M>(method, path, request, token))
  }

  /** Runs work with the token, and once more with a new one if the server refused the old one. */
  async withToken<T>(work: (token: string) => Promise<T>): Promise<T> {
    const { tokens } = this.#options
    const token = await tokens.get()
    try {
      return await work(token)
    } catch (error) {
      const known = toClientError(error)
      if (!known.isTokenProblem) throw known
      tokens.reject(token)
      return work(await tokens.get())
    }
  }

  address(path: string, query: Request['query'] = {}): string {
    const url = new URL(path, this.#options.url)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
    return url.href
  }

  async #once<T, M>(method: string, path: string, request: Request, token: string): Promise<{ data: T; meta: M }> {
    const { closed, fetch } = this.#options
    if (closed.aborted) throw closedError()
    const { query, body, signal } = request
    const hasBody = body !== undefined
    try {
      const answer = await fetch(this.address(path, query), {
        method,
        headers: { authorization: `Bearer ${token}`, ...(hasBody && { 'content-type': 'application/json' }) },
        ...(hasBody && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([this.#untilClosed(signal), AbortSignal.timeout(TIMEOUT_MS)]),
      })
      return openEnvelope<T, M>(answer.status, await answer.text())
    } catch (error) {
      throw closed.aborted ? closedError(error) : toClientError(error)
    }
  }

  #untilClosed(signal: AbortSignal | undefined): AbortSignal {
    const { closed } = this.#options
    return signal === undefined ? closed : AbortSignal.any([closed, signal])
  }
}

function closedError(cause?: unknown): ParleyClientError {
  return new ParleyClientError('CLOSED', 'The client is closed.', cause === undefined ? {} : { cause })
}

/** Unwraps the envelope of a response. @throws {ParleyClientError} the server's error, or BAD_ANSWER */
export function openEnvelope<T, M = undefined>(status: number, text: string): { data: T; meta: M } {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch (cause) {
    throw new ParleyClientError('BAD_ANSWER', `The answer (HTTP ${status}) is not JSON.`, { status, cause })
  }
  // The shape of `data` is trusted: checking it field by field would break old clients on new servers.
  if (isSuccess(answer)) return { data: answer.data as T, meta: answer.meta as M }
  if (isFailure(answer)) throw fromBody(answer.error, status)
  throw new ParleyClientError('BAD_ANSWER', `The answer (HTTP ${status}) is not one of a Parley server.`, { status })
}
