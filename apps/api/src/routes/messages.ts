import { conversationParams, listMessagesQuery, markAsReadBody, parse } from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** A conversation's history and read marks; sending is in send-message.ts. */
export const messageRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  const { conversations, history, reads } = deps
  const path = '/conversations/:conversationId'

  app.get(`${path}/messages`, async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const query = parse(listMessagesQuery, request.query)
    return { success: true, ...(await history.page(conversationId, actorOf(request).id, query)) }
  })

  app.post(`${path}/read`, async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const reader = actorOf(request)
    await conversations.require(conversationId, reader.id)
    const { messageId } = parse(markAsReadBody, request.body)
    return { success: true, data: await reads.read(reader, conversationId, messageId) }
  })
}
