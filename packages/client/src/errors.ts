import { ERRORS, type ErrorBody, type ErrorCode } from '@parley/protocol/errors'

/**
 * The server's codes, and the client's own: NETWORK (no connection, or it broke), TIMEOUT (no answer in time), CLOSED
 * (the client was closed), ABORTED (by a signal of the caller's), BAD_ANSWER (what came was no answer of a Parley),
 * UPLOAD_BLOCKED (the browser lets this page send nothing to the store for files: the bucket has no CORS rule for it),
 * STORAGE (the storage for messages on their way is full, forbidden or broken: they do not outlive a reload).
 */
export type ClientErrorCode =
  | ErrorCode
  | 'NETWORK'
  | 'TIMEOUT'
  | 'CLOSED'
  | 'ABORTED'
  | 'BAD_ANSWER'
  | 'UPLOAD_BLOCKED'
  | 'STORAGE'

const OWN_RETRY: Record<Exclude<ClientErrorCode, ErrorCode>, boolean> = {
  NETWORK: true,
  TIMEOUT: true,
  CLOSED: false,
  ABORTED: false,
  BAD_ANSWER: true,
  UPLOAD_BLOCKED: false,
  STORAGE: false,
}

/** Every error that the client raises. */
export class ParleyClientError extends Error {
  override readonly name = 'ParleyClientError'
  readonly code: ClientErrorCode
  /** HTTP status, where the error came over HTTP. */
  readonly status: number | undefined
  /** What the server adds: the fields that are wrong, the ids that nobody has. */
  readonly details: unknown
  /** The server asks to wait this long before the next try, in milliseconds. */
  readonly retryAfterMs: number | undefined

  constructor(
    code: ClientErrorCode,
    message: string,
    options: { status?: number; details?: unknown; retryAfterMs?: number | undefined; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.status = options.status
    this.details = options.details
    this.retryAfterMs = options.retryAfterMs
  }

  /** The same again, later, may work. */
  get retryable(): boolean {
    if (isOwnCode(this.code)) return OWN_RETRY[this.code]
    // A newer server may know codes that this client does not: what says when to retry can be retried.
    return isServerCode(this.code) ? ERRORS[this.code].retry : this.retryAfterMs !== undefined
  }

  /** The token was refused: a new one may be let in. */
  get isTokenProblem(): boolean {
    return this.code.startsWith('TOKEN_')
  }
}

function isOwnCode(code: ClientErrorCode): code is Exclude<ClientErrorCode, ErrorCode> {
  return Object.hasOwn(OWN_RETRY, code)
}

function isServerCode(code: string): code is ErrorCode {
  return Object.hasOwn(ERRORS, code)
}

/** The error inside a failed answer of the server. */
export function fromBody(body: ErrorBody, status?: number): ParleyClientError {
  const { code, message, details, retryAfterMs } = body
  return new ParleyClientError(code, message, { details, retryAfterMs, ...(status === undefined ? {} : { status }) })
}

/** Any error as one of ours; what is not is taken for trouble with the network. */
export function toClientError(error: unknown): ParleyClientError {
  if (error instanceof ParleyClientError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new ParleyClientError('TIMEOUT', 'There was no answer in time.', { cause: error })
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new ParleyClientError('ABORTED', 'It was aborted.', { cause: error })
  }
  return new ParleyClientError('NETWORK', message, { cause: error })
}

/** True for `{success: false, error: {code}}`. */
export function isFailure(answer: unknown): answer is { success: false; error: ErrorBody } {
  return (
    typeof answer === 'object' &&
    answer !== null &&
    'success' in answer &&
    answer.success === false &&
    'error' in answer &&
    typeof answer.error === 'object' &&
    answer.error !== null &&
    'code' in answer.error
  )
}

/** True for `{success: true, data}`. */
export function isSuccess(answer: unknown): answer is { success: true; data: unknown; meta?: unknown } {
  return typeof answer === 'object' && answer !== null && 'success' in answer && answer.success === true
}
