import { ParleyError } from '@parley/protocol'
import type { Standstill } from '@parley/runtime'
import type { FastifyRequest } from 'fastify'
import fastifyPlugin from 'fastify-plugin'
import type { ApiDeps } from './deps.ts'

/**
 * The longest standstill after which waiting requests are still served, in milliseconds. After more than this, the client may
 * have retried elsewhere: by then the balancer has taken this pod out for a second or two (infra/haproxy).
 */
export const LONGEST_STANDSTILL_MS = 5_000

/**
 * Answers UNAVAILABLE to requests that arrived before or during a standstill of this process. If they were served now, an old
 * name could overwrite a newer one, and a message could end up after those its sender has sent since.
 */
export const refuseStale = fastifyPlugin<{ deps: Pick<ApiDeps, 'standstill'> }>(async (app, { deps }) => {
  // As late as possible: looking up the person and reading the body may both have taken a while.
  app.addHook('preHandler', async (request) => requireFresh(deps.standstill, request))
})

/**
 * The same check for a handler that has been waiting for the client's files.
 * @throws {ParleyError} UNAVAILABLE
 */
export function requireFresh(standstill: Pick<Standstill, 'covers'>, { readAt }: FastifyRequest): void {
  if (standstill.covers(readAt)) throw new ParleyError('UNAVAILABLE')
}
