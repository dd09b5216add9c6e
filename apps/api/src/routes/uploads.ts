import multipart from '@fastify/multipart'
import { messageTypeOf, toParleyError } from '@parley/messaging'
import {
  conversationParams,
  LIMITS,
  type Message,
  messageType,
  ParleyError,
  parse,
  postMessageBody,
  type StoredAttachment,
  type User,
} from '@parley/protocol'
import type { FastifyPluginAsync, FastifyRequest } from 'fastify'
import { actorOf } from '../authentication.ts'
import { dropRest, isForm } from '../body-time.ts'
import type { ApiDeps } from '../deps.ts'
import { FormSlots } from '../form-slots.ts'

/** Of a form: its text fields are a message's, each of four bytes a character at most. */
const FORM_LIMITS = {
  fieldNameSize: 100,
  fieldSize: 4 * LIMITS.contentLength,
  fields: 20,
  files: LIMITS.attachmentsPerMessage,
  parts: 20 + LIMITS.attachmentsPerMessage,
  // The size of a file is checked as it is stored, where the error can name the file.
  fileSize: Number.POSITIVE_INFINITY,
}

/** Sending a message over HTTP: as JSON, or with its files as a form. */
export const uploadRoutes: FastifyPluginAsync<{ deps: ApiDeps }> = async (app, { deps }) => {
  const { conversations, messages } = deps
  await app.register(multipart, { limits: FORM_LIMITS, throwFileSizeLimit: false })
  const slots = new FormSlots(deps.uploadsAtOnce)

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
        try {
          await conversations.require(conversationId, sender.id)
          return await postForm(deps, request, conversationId, sender)
        } catch (error) {
          dropRest(request)
          throw error
        }
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
    const fields = await readForm(deps, request, conversationId, sender, files)
    const body = parse(postMessageBody, { ...fields, attachments: files.map(({ id }) => ({ id })) })
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
    await discard(deps, files)
    throw error
  }
}

/** Reads the parts of a form in their order; files go to the store one after the other and into `files`. */
async function readForm(
  { uploads }: ApiDeps,
  request: FastifyRequest,
  conversationId: string,
  sender: User,
  files: StoredAttachment[],
): Promise<Record<string, unknown>> {
  // Its client went while the conversation was looked up: neither a part nor an end will ever be heard of.
  if (request.raw.destroyed) throw new ParleyError('UPLOAD_INCOMPLETE')
  const fields: Record<string, unknown> = {}
  const gone = new AbortController()
  const onClose = () => request.raw.complete || gone.abort()
  request.raw.once('close', onClose)
  try {
    for await (const part of formParts(request)) {
      if (part.type === 'field') {
        fields[part.fieldname] = part.valueTruncated ? ''.padEnd(LIMITS.contentLength + 1, '?') : part.value
        continue
      }
      const wanted = messageType.safeParse(fields.type).data
      const file = await uploads.receive({
        conversationId,
        uploaderId: sender.id,
        fileName: part.filename ?? '',
        source: brokenOff(part.file),
        accept: (found) => void messageTypeOf(wanted, [{ ...found, fileSize: 0 }]),
        signal: gone.signal,
      })
      if (file !== undefined) files.push(file)
    }
    if (!request.raw.complete) throw new ParleyError('UPLOAD_INCOMPLETE')
    return fields
  } finally {
    request.raw.off('close', onClose)
  }
}

async function* formParts(request: FastifyRequest) {
  try {
    yield* request.parts()
  } catch (error) {
    throw formError(error)
  }
}

/** A file of the form, whose end without its end is UPLOAD_INCOMPLETE. */
async function* brokenOff(file: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  try {
    yield* file
  } catch (error) {
    throw formError(error)
  }
}

const TOO_MANY = `A message has at most ${LIMITS.attachmentsPerMessage} files, and few fields besides.`

/** What the plugin raises while it reads a form that is whole and wrong, by its codes: the field, and why. */
const FORM_ERRORS: Readonly<Record<string, readonly [path: string, message: string]>> = {
  FST_FILES_LIMIT: ['file', TOO_MANY],
  FST_PARTS_LIMIT: ['file', TOO_MANY],
  FST_FIELDS_LIMIT: ['file', TOO_MANY],
  FST_PROTO_VIOLATION: ['', 'A field has a name that no field may have.'],
  FST_INVALID_JSON_FIELD_ERROR: ['', 'A field says that it is JSON, and is not.'],
}

function formError(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const [path, message] = FORM_ERRORS[String(code)] ?? []
  if (path === undefined || message === undefined) return new ParleyError('UPLOAD_INCOMPLETE', { cause: error })
  return new ParleyError('VALIDATION_FAILED', { message, details: [{ path, message }] })
}

/** What cannot be removed now is removed by the worker. */
async function discard({ uploads, logger }: ApiDeps, files: readonly StoredAttachment[]): Promise<void> {
  try {
    await uploads.discard(files.map(({ id }) => id))
  } catch (error) {
    logger.warn({ err: toParleyError(error) }, 'files of a message that was not sent stay until the clean-up')
  }
}
