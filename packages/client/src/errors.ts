import { ERRORS, type ErrorBody, type ErrorCode } from '@parley/protocol/errors'

/**
 * The server's codes, and the client's own: NETWORK (no connection, or it broke), TIMEOUT (no response in time), CLOSED
 * (the client was closed), ABORTED (by the caller's signal, or the message was discarded), BAD_ANSWER (not a response of a
 * Parley server), UPLOAD_BLOCKED (the browser does not let this page upload to object storage: the bucket has no CORS rule
 * for it), STORAGE (the outbox storage is full, forbidden or broken: pending messages will not survive a reload).
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

/** Any error raised by the client. */
export class ParleyClientError extends Error {
  override readonly name = 'ParleyClientError'
  readonly code: ClientErrorCode
  /** HTTP status, if the error came over HTTP. */
  readonly status: number | undefined
  /** Details from the server, such as the invalid fields or the unknown ids. */
  readonly details: unknown
  /** How long the server asks to wait before a retry, in milliseconds. */
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

  /** Whether a later retry may succeed. */
  get retryable(): boolean {
    if (isOwnCode(this.code)) return OWN_RETRY[this.code]
    // A newer server may use codes that this client does not know: one that says when to retry is retryable.
    return isServerCode(this.code) ? ERRORS[this.code].retry : this.retryAfterMs !== undefined
  }

  /** Whether the token was refused: a new one may be accepted. */
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

/** Converts the error of a server's response. */
export function fromBody(body: ErrorBody, status?: number): ParleyClientError {
  const { code, message, details, retryAfterMs } = body
  return new ParleyClientError(code, message, { details, retryAfterMs, ...(status === undefined ? {} : { status }) })
}

/** Converts any error; one that is not recognised becomes NETWORK. */
export function toClientError(error: unknown): ParleyClientError {
  if (error instanceof ParleyClientError) return error
  const message = error instanceof Error ? error.message : String(error)
  if (error instanceof Error && error.name === 'TimeoutError') {
    return new ParleyClientError('TIMEOUT', 'There was no response in time.', { cause: error })
  }
  if (error instanceof Error && error.name === 'AbortError') {
    return new ParleyClientError('ABORTED', 'The request was aborted.', { cause: error })
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
