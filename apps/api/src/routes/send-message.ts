import multipart from '@fastify/multipart'
import { toParleyError } from '@parley/messaging'
import {
  conversationParams,
  type Message,
  parse,
  postMessageBody,
  type StoredAttachment,
  type User,
} from '@parley/protocol'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { actorOf } from '../authentication.ts'
import { isForm } from '../body-time.ts'
import type { ApiDeps } from '../deps.ts'
import { FormSlots } from '../form-slots.ts'
import { FORM_LIMITS, readForm } from '../message-form.ts'
import { requireFresh } from '../stale.ts'

/** Sends a message: as JSON, or with its files as a multipart form. */
export const sendMessageRoute: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  const { conversations, messages } = deps
  await app.register(multipart, { limits: FORM_LIMITS, throwFileSizeLimit: false })
  const slots = new FormSlots(deps.uploadsAtOnce, () => deps.measures.rateLimited.add('forms'))

  app.post('/conversations/:conversationId/messages', async (request, reply) => {
    const { conversationId } = parse(conversationParams, request.params)
    const sender = actorOf(request)
    const post = async () => {
      if (!isForm(request)) {
        return messages.send({
          ...parse(postMessageBody, request.body),
          conversationId,
          sender,
          trace: request.span?.traceparent,
        })
      }
      return slots.hold(sender.id, async () => {
        await conversations.require(conversationId, sender.id)
        return postForm(deps, request, conversationId, sender)
      })
    }
    const message = await post()
    return reply.status(201).send({ success: true, message: 'Message sent', data: message })
  })
}

/** Stores the files as they arrive, then the message. If the form fails, its files are removed. */
async function postForm(
  deps: ApiDeps,
  request: FastifyRequest,
  conversationId: string,
  sender: User,
): Promise<Message> {
  const files: StoredAttachment[] = []
  try {
    const fields = await readForm(deps.uploads, request, conversationId, sender, files)
    const body = parse(postMessageBody, { ...fields, attachments: files.map(({ id }) => ({ id })) })
    requireFresh(deps.standstill, request)
    const message = await deps.messages.send({
      ...body,
      conversationId,
      sender,
      checked: files,
      trace: request.span?.traceparent,
    })
    // A retry with the same clientMessageId returns the first message with its own files; those uploaded now are unused.
    const used = new Set(message.attachments.map(({ id }) => id))
    await discard(
      deps,
      files.filter(({ id }) => !used.has(id)),
    )
    return message
  } catch (error) {
    // Safe even if the message may have been stored after all: files in use are not removed, and a message stored later than
    // this fails because its files are gone.
    const discarded = discard(deps, files)
    // If the client is gone, release the slot at once: the person's next form may be waiting for it.
    if (!request.raw.socket.destroyed) await discarded
    throw error
  }
}

/** Removes files. The worker removes later what cannot be removed now. */
async function discard({ uploads, logger }: ApiDeps, files: readonly StoredAttachment[]): Promise<void> {
  try {
    await uploads.discard(files.map(({ id }) => id))
  } catch (error) {
    logger.warn({ err: toParleyError(error) }, 'could not remove the files of a failed message; the clean-up will')
  }
}
