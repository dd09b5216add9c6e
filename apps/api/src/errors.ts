import { toParleyError } from '@parley/messaging'
import { failure, ParleyError } from '@parley/protocol'
import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify'

/** Puts every error into the envelope; what is not ours to explain is logged and answered INTERNAL. */
export function answerError(error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const known = fromFastify(error) ?? toParleyError(error)
  if (known.code === 'INTERNAL') request.log.error({ err: error }, 'a request failed')
  if (known.retryAfterMs !== undefined) reply.header('retry-after', Math.ceil(known.retryAfterMs / 1_000))
  if (known.status === 401) reply.header('www-authenticate', 'Bearer')
  return reply.status(known.status).send(failure(known))
}

export function answerNotFound(_request: FastifyRequest, reply: FastifyReply): FastifyReply {
  return reply.status(404).send(failure(new ParleyError('NOT_FOUND')))
}

/** Errors that Fastify itself raises while it reads a request. */
function fromFastify(error: unknown): ParleyError | undefined {
  if (!(error instanceof Error) || error instanceof ParleyError) return undefined
  const { code, statusCode } = error as FastifyError
  if (code === 'FST_ERR_CTP_BODY_TOO_LARGE') return new ParleyError('PAYLOAD_TOO_LARGE')
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') return new ParleyError('UNSUPPORTED_MEDIA_TYPE')
  if (code === 'FST_ERR_CTP_EMPTY_JSON_BODY' || (error instanceof SyntaxError && statusCode === 400)) {
    return new ParleyError('MALFORMED_JSON')
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new ParleyError('VALIDATION_FAILED', { message: error.message })
  }
  return undefined
}
