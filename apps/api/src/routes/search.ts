import { parse, searchMessagesQuery } from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** Full-text search in the person's own conversations. */
export const searchRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  app.get('/search', async (request) => {
    const actor = actorOf(request)
    const query = parse(searchMessagesQuery, request.query)
    return { success: true, ...(await deps.search.search(actor.id, query)) }
  })
}
