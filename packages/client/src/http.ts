import { fullJitter, wait } from './backoff.ts'
import { fromBody, isFailure, isSuccess, ParleyClientError, toClientError } from './errors.ts'
import type { TokenSource } from './token.ts'

const TIMEOUT_MS = 30_000
const READ_TRIES = 4
const BACKOFF = { baseMs: 300, maxMs: 5_000 }

export interface HttpOptions {
  url: string
  tokens: TokenSource
  fetch: typeof globalThis.fetch
  /** Ends everything under way when the client is closed. */
  closed: AbortSignal
}

export interface Request {
  query?: Record<string, string | number | undefined>
  /** Sent as JSON, or as it stands where it is a form. */
  body?: unknown
  signal?: AbortSignal | undefined
}

/** The HTTP side of the server: adds the token, opens the envelope, turns failures into {@link ParleyClientError}. */
export class Http {
  readonly #options: HttpOptions

  constructor(options: HttpOptions) {
    this.#options = options
  }

  get tokens(): TokenSource {
    return this.#options.tokens
  }

  get fetch(): typeof globalThis.fetch {
    return this.#options.fetch
  }

  /** Reads: tried again a few times when that can help. */
  async get<T, M = undefined>(path: string, request: Request = {}): Promise<{ data: T; meta: M }> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.send<T, M>('GET', path, request)
      } catch (error) {
        const known = toClientError(error)
        if (!known.retryable || attempt + 1 >= READ_TRIES) throw known
        const { closed } = this.#options
        const ended = request.signal === undefined ? closed : AbortSignal.any([closed, request.signal])
        await wait(Math.max(known.retryAfterMs ?? 0, fullJitter(attempt, BACKOFF)), ended)
        if (ended.aborted) throw known
      }
    }
  }

  /** Any other request: sent once, and once more with a new token where the server refused the old one. */
  async send<T, M = undefined>(method: string, path: string, request: Request = {}): Promise<{ data: T; meta: M }> {
    const token = await this.tokens.get()
    try {
      return await this.#once<T, M>(method, path, request, token)
    } catch (error) {
      const known = toClientError(error)
      if (!known.isTokenProblem) throw known
      this.tokens.reject(token)
      return this.#once<T, M>(method, path, request, await this.tokens.get())
    }
  }

  address(path: string, query: Request['query'] = {}): string {
    const url = new URL(path, this.#options.url)
    for (const [key, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(key, String(value))
    return url.href
  }

  async #once<T, M>(method: string, path: string, request: Request, token: string): Promise<{ data: T; meta: M }> {
    const { closed, fetch } = this.#options
    if (closed.aborted) throw new ParleyClientError('CLOSED', 'The client is closed.')
    const { query, body, signal } = request
    const isForm = body instanceof FormData
    const json = body !== undefined && !isForm
    const signals = [closed, AbortSignal.timeout(TIMEOUT_MS), ...(signal === undefined ? [] : [signal])]
    try {
      const answer = await fetch(this.address(path, query), {
        method,
        headers: { authorization: `Bearer ${token}`, ...(json ? { 'content-type': 'application/json' } : {}) },
        ...(body === undefined ? {} : { body: isForm ? body : JSON.stringify(body) }),
        signal: AbortSignal.any(signals),
      })
      return openEnvelope<T, M>(answer.status, await answer.text())
    } catch (error) {
      if (closed.aborted) throw new ParleyClientError('CLOSED', 'The client is closed.', { cause: error })
      throw toClientError(error)
    }
  }
}

/** What is inside an answer. @throws {ParleyClientError} what the server said, or BAD_ANSWER */
export function openEnvelope<T, M = undefined>(status: number, text: string): { data: T; meta: M } {
  let answer: unknown
  try {
    answer = JSON.parse(text)
  } catch (cause) {
    throw new ParleyClientError('BAD_ANSWER', `The answer (HTTP ${status}) is not JSON.`, { status, cause })
  }
  // The shape of `data` is the protocol's promise; old clients meet new servers, so it is not checked field by field.
  if (isSuccess(answer)) return { data: answer.data as T, meta: answer.meta as M }
  if (isFailure(answer)) throw fromBody(answer.error, status)
  throw new ParleyClientError('BAD_ANSWER', `The answer (HTTP ${status}) is not one of a Parley server.`, { status })
}
