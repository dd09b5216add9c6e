import { messageTypeOf } from '@parley/messaging'
import { LIMITS, messageType, ParleyError, type StoredAttachment, type User } from '@parley/protocol'
import type { AttachmentUploads } from '@parley/storage/uploads'
import type { FastifyRequest } from 'fastify'

/** Of a form: its text fields are a message's, each of four bytes a character at most. */
export const FORM_LIMITS = {
  fieldNameSize: 100,
  fieldSize: 4 * LIMITS.contentLength,
  fields: 20,
  files: LIMITS.attachmentsPerMessage,
  parts: 20 + LIMITS.attachmentsPerMessage,
  // The size of a file is checked as it is stored, where the error can name the file.
  fileSize: Number.POSITIVE_INFINITY,
}

/**
 * Reads the parts of a form in their order; files go to the store one after the other and into `files`, where those are
 * that were stored before an error.
 * @returns the text fields
 * @throws {ParleyError} UPLOAD_INCOMPLETE where the form breaks off, VALIDATION_FAILED, and what `uploads.receive` throws
 */
export async function readForm(
  uploads: AttachmentUploads,
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
    for await (const part of read(request.parts())) {
      if (part.type === 'field') {
        fields[part.fieldname] = part.valueTruncated ? ''.padEnd(LIMITS.contentLength + 1, '?') : part.value
        continue
      }
      const wanted = messageType.safeParse(fields.type).data
      const file = await uploads.receive({
        conversationId,
        uploaderId: sender.id,
        fileName: part.filename ?? '',
        source: read(part.file),
        accept: (found) => void messageTypeOf(wanted, [{ ...found, fileSize: 0 }]),
        signal: gone.signal,
      })
      if (file !== undefined) files.push(file)
    }
    return fields
  } finally {
    request.raw.off('close', onClose)
  }
}

/** The parts of a form, or the bytes of a file in it; where they break off, or are wrong, it is an error of ours. */
async function* read<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* source
  } catch (error) {
    throw formError(error)
  }
}

const TOO_MANY = `A message has at most ${LIMITS.attachmentsPerMessage} files, and few fields besides.`

const TOO_MANY_FIELDS = `A form has at most ${FORM_LIMITS.fields} fields besides its files.`

/** What the plugin raises while it reads a form that is whole and wrong, by its codes: the field, and why. */
const FORM_ERRORS: Readonly<Record<string, readonly [path: string, message: string]>> = {
  FST_FILES_LIMIT: ['file', TOO_MANY],
  FST_PARTS_LIMIT: ['file', TOO_MANY],
  FST_FIELDS_LIMIT: ['', TOO_MANY_FIELDS],
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
