import { ParleyError } from '@parley/protocol'
import { namesHost } from '@parley/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Refuses a request that does not say, once, which host it is for. Node would do so for one of the two, without the envelope. */
export function requireHost({ raw }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  done(namesHost(raw) ? undefined : new ParleyError('MALFORMED_REQUEST'))
}
