import { ParleyError } from '@parley/protocol'
import type { Standstill } from '@parley/runtime'
import type { FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { ApiDeps } from './deps.ts'

/**
 * After so long without an answer, in milliseconds, a request may have been made again elsewhere: a balancer has left this pod
 * out for a second or two by then (infra/haproxy), and whoever asks directly begins to lose patience.
 */
export const LONGEST_STANDSTILL_MS = 5_000

/**
 * Has requests that came before or during a standstill of this process answered UNAVAILABLE. Served now, an old name would
 * come after a newer one, and a message that was refused elsewhere after those that its sender has sent since.
 */
export const refuseStale = fastifyPlugin<{ deps: Pick<ApiDeps, 'standstill'> }>(async (app, { deps }) => {
  // Who asks has been looked up and the body is there: both may have taken their time.
  app.addHook('preHandler', async (request) => requireFresh(deps.standstill, request))
})

/** Once more for a handler that has waited for the client itself, for its files. @throws {ParleyError} UNAVAILABLE */
export function requireFresh(standstill: Pick<Standstill, 'covers'>, { readAt }: FastifyRequest): void {
  if (standstill.covers(readAt)) throw new ParleyError('UNAVAILABLE')
}
