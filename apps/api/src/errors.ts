import { toParleyError } from '@parley/messaging'
import { type Failure, failure, ParleyError } from '@parley/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'
import { drainBody } from './body-time.ts'
import { REQUEST_ID } from './requests.ts'

/** Answers every error in the envelope. Unexpected errors are logged and answered as INTERNAL. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = fromFastify(error) ?? toParleyError(error)
  request.code = known.code
  if (known.code === 'INTERNAL') request.log.error({ err: error }, 'a request failed')
  if (known.code === 'STORAGE_UNAVAILABLE') request.log.warn({ err: known.cause }, 'the object store failed')
  if (known.retryAfterSeconds !== undefined) reply.header('retry-after', known.retryAfterSeconds)
  if (known.status === 401) reply.header('www-authenticate', 'Bearer')
  if (!request.raw.complete) {
    // Fastify would close the connection with the rest of the body unread.
    reply.removeHeader('connection')
    drainBody(request)
  }
  // So that a user who reports a problem can name the request, and the log can be searched for it.
  reply.header(REQUEST_ID, request.id)
  const { error: body, ...rest } = failure(known)
  return reply.status(known.status).send({ ...rest, error: { ...body, requestId: request.id } } satisfies Failure)
}

/** Answers requests for unknown routes: 404 NOT_FOUND. */
export function answerNotFound(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return answerError(new ParleyError('NOT_FOUND'), request, reply)
}

const INVALID_URL = new ParleyError('VALIDATION_FAILED', { message: 'The request URL is not valid.' })

/** Errors that Fastify itself raises while it reads a request, by Fastify's code. */
const FASTIFY_ERRORS: Readonly<Record<string, ParleyError>> = {
  FST_ERR_CTP_BODY_TOO_LARGE: new ParleyError('PAYLOAD_TOO_LARGE'),
  FST_ERR_CTP_INVALID_MEDIA_TYPE: new ParleyError('UNSUPPORTED_MEDIA_TYPE'),
  FST_ERR_CTP_EMPTY_JSON_BODY: new ParleyError('MALFORMED_JSON'),
  FST_ERR_CTP_INVALID_JSON_BODY: new ParleyError('MALFORMED_JSON'),
  FST_ERR_BAD_URL: INVALID_URL,
  FST_ERR_MAX_PARAM_LENGTH: INVALID_URL,
}

function fromFastify(error: unknown): ParleyError | undefined {
  if (!(error instanceof Error) || error instanceof ParleyError) return undefined
  const { code, statusCode } = error as FastifyError
  const known = FASTIFY_ERRORS[code]
  if (known !== undefined) return known
  // Fastify refuses a body with __proto__ keys with a plain SyntaxError.
  if (error instanceof SyntaxError && statusCode === 400) return new ParleyError('MALFORMED_JSON')
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ParleyError('VALIDATION_FAILED', { message: error.message })
  }
  return undefined
}
