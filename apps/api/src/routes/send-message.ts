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

/** Sending a message over HTTP: as JSON, or with its files as a form. */
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

/** Stores the files as they come, then the message. Of a form that fails, nothing stays. */
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
    // Sent again under the same clientMessageId, it is answered with the files of the first time.
    const used = new Set(message.attachments.map(({ id }) => id))
    await discard(
      deps,
      files.filter(({ id }) => !used.has(id)),
    )
    return message
  } catch (error) {
    // Also where the message may have been stored after all: files that a message names are left alone, and a message
    // that is stored later than this finds no files to name and so is not.
    const discarded = discard(deps, files)
    // A client that is gone waits for nothing; its person's next form would.
    if (!request.raw.socket.destroyed) await discarded
    throw error
  }
}

/** What cannot be removed now is removed by the worker. */
async function discard({ uploads, logger }: ApiDeps, files: readonly StoredAttachment[]): Promise<void> {
  try {
    await uploads.discard(files.map(({ id }) => id))
  } catch (error) {
    logger.warn({ err: toParleyError(error) }, 'files of a message that was not sent stay until the clean-up')
  }
}
