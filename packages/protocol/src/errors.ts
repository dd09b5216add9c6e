/**
 * Every error that Parley returns, over HTTP and over sockets. The key is the code on the wire, `status` the HTTP status, and
 * `message` what a client sees unless the code that raises the error is more specific.
 */
export const ERRORS = {
  VALIDATION_FAILED: { status: 400, message: 'The request is not valid.', retry: false },
  MALFORMED_JSON: { status: 400, message: 'The body is not valid JSON.', retry: false },
  MALFORMED_REQUEST: { status: 400, message: 'This is not a valid HTTP request.', retry: false },
  UNKNOWN_EVENT: { status: 400, message: 'There is no such event.', retry: false },
  UNKNOWN_USERS: { status: 400, message: 'Some of these people do not exist.', retry: false },
  NOT_A_GROUP: { status: 400, message: 'This is possible in groups only.', retry: false },
  ATTACHMENT_TYPE_MISMATCH: {
    status: 400,
    message: 'The type of the message does not match its attachments.',
    retry: false,
  },
  UPLOAD_INCOMPLETE: { status: 400, message: 'The upload is incomplete.', retry: false },
  TOKEN_MISSING: {
    status: 401,
    message: 'A token is required: the header Authorization: Bearer …, or auth: {token} on a socket.',
    retry: false,
  },
  TOKEN_INVALID: { status: 401, message: 'The token is not valid.', retry: false },
  TOKEN_EXPIRED: { status: 401, message: 'The token has expired.', retry: false },
  FORBIDDEN: { status: 403, message: 'This is not allowed.', retry: false },
  PUSH_DISABLED: { status: 404, message: 'Push notifications are not set up on this server.', retry: false },
  NOT_FOUND: { status: 404, message: 'There is nothing at this address.', retry: false },
  CONVERSATION_NOT_FOUND: { status: 404, message: 'There is no such conversation.', retry: false },
  MESSAGE_NOT_FOUND: { status: 404, message: 'There is no such message in this conversation.', retry: false },
  ATTACHMENT_NOT_FOUND: { status: 404, message: 'There is no such attachment.', retry: false },
  USER_NOT_FOUND: { status: 404, message: 'There is no such person.', retry: false },
  REQUEST_TIMEOUT: { status: 408, message: 'The request did not arrive completely in time.', retry: true },
  GROUP_FULL: { status: 409, message: 'The group is full.', retry: false },
  TOO_MANY_CONVERSATIONS: {
    status: 409,
    message: 'Some of these users are in as many conversations as a user may be in.',
    retry: false,
  },
  PAYLOAD_TOO_LARGE: { status: 413, message: 'The request is too large.', retry: false },
  FILE_TOO_LARGE: { status: 413, message: 'The file is too large.', retry: false },
  FILE_TYPE_NOT_ALLOWED: { status: 415, message: 'Files of this type may not be sent here.', retry: false },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    message: 'The body must be JSON, with the header content-type: application/json.',
    retry: false,
  },
  RATE_LIMITED: { status: 429, message: 'Too many requests.', retry: true },
  HEADERS_TOO_LARGE: { status: 431, message: 'The headers of the request are too large.', retry: false },
  INTERNAL: { status: 500, message: 'Something went wrong on our side.', retry: true },
  OVERLOADED: { status: 503, message: 'The server is overloaded; try again soon.', retry: true },
  STORAGE_UNAVAILABLE: { status: 503, message: 'The file store is unavailable; try again soon.', retry: true },
  UNAVAILABLE: { status: 503, message: 'A part of the service is unavailable; try again soon.', retry: true },
} as const satisfies Record<string, { status: number; message: string; retry: boolean }>

export type ErrorCode = keyof typeof ERRORS

/** The `error` field on the wire. `retryAfterMs` is set if a retry may succeed. */
export interface ErrorBody {
  code: ErrorCode
  message: string
  details?: unknown
  retryAfterMs?: number
  /** Over HTTP: the id of the request in the server's log; also in the header `x-request-id`. */
  requestId?: string
}

/** The only class of errors whose content may reach a client. Any other error is logged and returned as INTERNAL. */
export class ParleyError extends Error {
  override readonly name = 'ParleyError'
  readonly code: ErrorCode
  readonly details: unknown
  readonly retryAfterMs: number | undefined

  constructor(
    code: ErrorCode,
    options: { message?: string; details?: unknown; retryAfterMs?: number; cause?: unknown } = {},
  ) {
    super(options.message ?? ERRORS[code].message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details
    this.retryAfterMs = options.retryAfterMs ?? (ERRORS[code].retry ? 1000 : undefined)
  }

  /** The HTTP status for the code. */
  get status(): number {
    return ERRORS[this.code].status
  }

  /** The value of the header `retry-after`: whole seconds, rounded up; undefined if a retry cannot succeed. */
  get retryAfterSeconds(): number | undefined {
    return this.retryAfterMs === undefined ? undefined : Math.ceil(this.retryAfterMs / 1_000)
  }

  toBody(): ErrorBody {
    return {
      code: this.code,
      message: this.message,
      ...(this.details === undefined ? {} : { details: this.details }),
      ...(this.retryAfterMs === undefined ? {} : { retryAfterMs: this.retryAfterMs }),
    }
  }
}
