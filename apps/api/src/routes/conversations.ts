import {
  addParticipantsBody,
  conversationParams,
  createConversationBody,
  listConversationsQuery,
  parse,
  participantParams,
  updateConversationBody,
} from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf, changerOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** Conversations and their participants. */
export const conversationRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  const { additions, conversations, conversationWriter } = deps

  app.post('/conversations', async (request, reply) => {
    const body = parse(createConversationBody, request.body)
    const creator = changerOf(request)
    additions.take(creator, body.participantIds.length)
    const { conversation, created } = await conversationWriter.create(creator, body)
    const message = created ? 'Conversation created' : 'Conversation already exists'
    return reply.status(created ? 201 : 200).send({ success: true, message, data: conversation })
  })

  app.get('/conversations', async (request) => {
    const query = parse(listConversationsQuery, request.query)
    return { success: true, ...(await conversations.list(actorOf(request).id, query)) }
  })

  app.get('/conversations/:conversationId', async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    return { success: true, data: await conversations.get(conversationId, actorOf(request).id) }
  })

  app.patch('/conversations/:conversationId', async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const actor = changerOf(request)
    await conversations.require(conversationId, actor.id)
    const { name } = parse(updateConversationBody, request.body)
    return {
      success: true,
      message: 'Conversation renamed',
      data: await conversationWriter.rename(actor, conversationId, name),
    }
  })

  app.post('/conversations/:conversationId/participants', async (request) => {
    const { conversationId } = parse(conversationParams, request.params)
    const actor = changerOf(request)
    await conversations.require(conversationId, actor.id)
    const { userIds } = parse(addParticipantsBody, request.body)
    additions.take(actor, userIds.length)
    return {
      success: true,
      message: 'Participants added',
      data: await conversationWriter.add(actor, conversationId, userIds),
    }
  })

  app.delete('/conversations/:conversationId/participants/:userId', async (request) => {
    const { conversationId, userId } = parse(participantParams, request.params)
    await conversationWriter.remove(changerOf(request), conversationId, userId)
    return { success: true, message: 'Participant removed', data: null }
  })

  app.get('/unread', async (request) => ({ success: true, data: await conversations.unread(actorOf(request).id) }))
}
