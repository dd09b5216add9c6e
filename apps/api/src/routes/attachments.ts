import { findAttachment, toStoredAttachment } from '@parley/db'
import {
  attachmentParams,
  conversationParams,
  ParleyError,
  parse,
  startUploadBody,
  uploadParams,
} from '@parley/protocol'
import type { FastifyPluginAsync } from 'fastify'
import { actorOf } from '../authentication.ts'
import type { ApiDeps } from '../deps.ts'

/** Direct uploads, and freshly signed URLs of attachments. */
export const attachmentRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  const { conversations, db, store, uploads } = deps
  const path = '/conversations/:conversationId/attachments'

  app.post(path, async (request, reply) => {
    const { conversationId } = parse(conversationParams, request.params)
    const actor = actorOf(request)
    await conversations.require(conversationId, actor.id)
    const started = await uploads.start(conversationId, actor.id, parse(startUploadBody, request.body))
    return reply.status(201).send({ success: true, message: 'Upload started', data: started })
  })

  app.post(`${path}/:attachmentId/complete`, async (request) => {
    const { conversationId, attachmentId } = parse(uploadParams, request.params)
    const actor = actorOf(request)
    await conversations.require(conversationId, actor.id)
    const attachment = await uploads.complete(conversationId, actor.id, attachmentId)
    const url = store.urlOf(conversationId, attachment)
    return { success: true, message: 'Upload complete', data: { ...attachment, url } }
  })

  /** Removes one of the person's own uploads that no message uses. */
  app.delete(`${path}/:attachmentId`, async (request) => {
    const { conversationId, attachmentId } = parse(uploadParams, request.params)
    const actor = actorOf(request)
    await conversations.require(conversationId, actor.id)
    if (!(await uploads.giveUp(conversationId, actor.id, attachmentId))) throw new ParleyError('ATTACHMENT_NOT_FOUND')
    return { success: true, message: 'Upload removed', data: null }
  })

  /** For current members only; nobody else can tell whether the file exists. HEAD works as well. */
  app.get('/attachments/:attachmentId', async (request, reply) => {
    const { attachmentId } = parse(attachmentParams, request.params)
    const row = await findAttachment(db.pool, attachmentId, actorOf(request).id)
    if (row === undefined) throw new ParleyError('ATTACHMENT_NOT_FOUND')
    const method = request.method === 'HEAD' ? 'HEAD' : 'GET'
    const url = store.sign(method, row.conversation_id, toStoredAttachment(row))
    return reply.header('cache-control', 'private, no-store').redirect(url, 302)
  })
}
