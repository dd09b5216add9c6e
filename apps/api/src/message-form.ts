import { messageTypeOf } from '@parley/messaging'
import { LIMITS, messageType, ParleyError, type StoredAttachment, type User } from '@parley/protocol'
import type { AttachmentUploads } from '@parley/storage/uploads'
import type { FastifyRequest } from 'fastify'

/** Limits of a multipart form. Text fields hold a message's content, at most four bytes per character. */
export const FORM_LIMITS = {
  fieldNameSize: 100,
  fieldSize: 4 * LIMITS.contentLength,
  fields: 20,
  files: LIMITS.attachmentsPerMessage,
  parts: 20 + LIMITS.attachmentsPerMessage,
  // Checked while the file is stored, where the error can name it.
  fileSize: Number.POSITIVE_INFINITY,
}

/**
 * Reads the parts of a form in order and stores its files one after the other.
 * @param files receives each stored file, so that the caller knows them even when this throws
 * @returns the text fields
 * @throws {ParleyError} UPLOAD_INCOMPLETE when the form breaks off, VALIDATION_FAILED, and what `uploads.receive` throws
 */
export async function readForm(
  uploads: AttachmentUploads,
  request: FastifyRequest,
  conversationId: string,
  sender: User,
  files: StoredAttachment[],
): Promise<Record<string, unknown>> {
  // The client left during the conversation's look-up: the stream would neither produce parts nor end.
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

/** Passes on the parts of a form, or the bytes of one of its files, and turns the parser's errors into ours. */
async function* read<T>(source: AsyncIterable<T>): AsyncGenerator<T> {
  try {
    yield* source
  } catch (error) {
    throw formError(error)
  }
}

const TOO_MANY = `A message has at most ${LIMITS.attachmentsPerMessage} files and ${FORM_LIMITS.fields} other fields.`

const TOO_MANY_FIELDS = `A form has at most ${FORM_LIMITS.fields} fields besides its files.`

/** Errors that the plugin raises for a complete but invalid form, by the plugin's code. */
const FORM_ERRORS: Readonly<Record<string, readonly [path: string, message: string]>> = {
  FST_FILES_LIMIT: ['file', TOO_MANY],
  FST_PARTS_LIMIT: ['file', TOO_MANY],
  FST_FIELDS_LIMIT: ['', TOO_MANY_FIELDS],
  FST_PROTO_VIOLATION: ['', 'A field has a forbidden name.'],
  FST_INVALID_JSON_FIELD_ERROR: ['', 'A field is declared as JSON but is not valid JSON.'],
}

function formError(error: unknown): ParleyError {
  if (error instanceof ParleyError) return error
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  const [path, message] = FORM_ERRORS[String(code)] ?? []
  if (path === undefined || message === undefined) return new ParleyError('UPLOAD_INCOMPLETE', { cause: error })
  return new ParleyError('VALIDATION_FAILED', { message, details: [{ path, message }] })
}
