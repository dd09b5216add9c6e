import type { ErrorBody, Failure } from '@parley/protocol'

/** The content of an ack or a response body. `T` is the type that the test expects of `data`. */
export type Reply<T> = { success: true; message?: string; data: T; meta?: Record<string, unknown> } | Failure

export interface HttpAnswer<T> {
  status: number
  headers: Headers
  body: Reply<T>
}

/** An HTTP client for one person. A string body is sent as is, anything else as JSON. */
export interface Api {
  get<T = unknown>(path: string): Promise<HttpAnswer<T>>
  post<T = unknown>(path: string, body?: unknown): Promise<HttpAnswer<T>>
  put<T = unknown>(path: string, body?: unknown): Promise<HttpAnswer<T>>
  patch<T = unknown>(path: string, body?: unknown): Promise<HttpAnswer<T>>
  delete<T = unknown>(path: string, body?: unknown): Promise<HttpAnswer<T>>
}

/** A watchdog: the slowest requests, which write thousands of people, take seconds on a busy machine. */
const REQUEST_BOUND_MS = 30_000

/** Returns a client of the HTTP API at `baseUrl`. Without a token it sends no Authorization header. */
export function apiClient(baseUrl: string, token?: string): Api {
  const send =
    (method: string) =>
    async <T>(path: string, body?: unknown): Promise<HttpAnswer<T>> => {
      const answer = await fetch(new URL(path, baseUrl), {
        method,
        headers: {
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
        signal: AbortSignal.timeout(REQUEST_BOUND_MS),
      })
      const text = await answer.text()
      return { status: answer.status, headers: answer.headers, body: parseReply<T>(text, `${method} ${path}`) }
    }
  return { get: send('GET'), post: send('POST'), put: send('PUT'), patch: send('PATCH'), delete: send('DELETE') }
}

function parseReply<T>(text: string, request: string): Reply<T> {
  try {
    return JSON.parse(text) as Reply<T>
  } catch {
    throw new Error(`${request} did not return JSON: ${text.slice(0, 500)}`)
  }
}

/** Returns the data of a successful response or ack. @throws if it is a failure */
export function dataOf<T>(answer: HttpAnswer<T> | Reply<T>): T {
  const reply = 'body' in answer ? answer.body : answer
  if (reply.success) return reply.data
  throw new Error(`Expected a success and got ${JSON.stringify(reply)}`)
}

/** Returns the error of a failed response or ack. @throws if it is a success */
export function errorOf(answer: HttpAnswer<unknown> | Reply<unknown>): ErrorBody {
  const reply = 'body' in answer ? answer.body : answer
  if (!reply.success) return reply.error
  throw new Error(`Expected a failure and got ${JSON.stringify(reply)}`)
}
