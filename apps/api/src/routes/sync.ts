import { parse, syncBody } from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** The `sync` event over HTTP, for clients without a socket. */
export const syncRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  app.post('/sync', async (request) => {
    const body = parse(syncBody, request.body)
    return { success: true, data: await deps.sync.changes(actorOf(request).id, body) }
  })
}
