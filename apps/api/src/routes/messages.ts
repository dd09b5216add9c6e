import { conversationParams, listMessagesQuery, markAsReadBody, parse, postMessageBody } from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** A conversation's messages and read marks. */
export const messageRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  const { conversations, history, messages, reads } = deps
  const path = '/conversations/:conversationId'

  app.get(`${path}/messages`, async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const query = parse(listMessagesQuery, request.query)
    return { success: true, ...(await history.page(conversationId, actorOf(request).id, query)) }
  })

  app.post(`${path}/messages`, async (request, reply) => {
    const { conversationId } = parse(conversationParams, request.params)
    const sender = actorOf(request)
    const body = parse(postMessageBody, request.body)
    const message = await messages.send({ ...body, conversationId, sender })
    return reply.status(201).send({ success: true, message: 'Message sent', data: message })
  })

  app.post(`${path}/read`, async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const reader = actorOf(request)
    await conversations.require(conversationId, reader.id)
    const { messageId } = parse(markAsReadBody, request.body)
    return { success: true, data: await reads.read(reader, conversationId, messageId) }
  })
}
