import { ParleyError } from '@parley/protocol'
import { namesHost } from '@parley/runtime'
import type { FastifyReply, FastifyRequest } from 'fastify'

/** Refuses a request without exactly one Host header. Node refuses only some of these, and not in the envelope. */
export function requireHost({ raw }: FastifyRequest, _reply: FastifyReply, done: (error?: Error) => void): void {
  done(namesHost(raw) ? undefined : new ParleyError('MALFORMED_REQUEST'))
}
