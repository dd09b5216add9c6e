import { z } from 'zod'
import { LIMITS } from './limits.ts'
import { conversationId, instant, storable, uuid } from './primitives.ts'

/*
 * Attachments. A file of a few megabytes is sent with its message as multipart/form-data. A larger one is announced, uploaded
 * directly to the store at the URLs in the response, completed, and then referred to by its id in the message.
 */

export const attachmentId = uuid
export const attachmentParams = z.object({ attachmentId })
export const uploadParams = z.object({ conversationId, attachmentId })

/** `POST …/conversations/:id/attachments`: announces an upload of `fileSize` bytes to the store. */
export const startUploadBody = z.object({
  /** The client's name for the file; a sanitized version is stored. */
  fileName: storable(4 * LIMITS.fileNameBytes),
  fileSize: z.int().min(1),
})
export type StartUpload = z.infer<typeof startUploadBody>

/**
 * The response to it. Each part is uploaded with PUT to its `url`: exactly `size` bytes from `offset` on, in any order; a failed
 * part may be uploaded again. Then the upload is completed. For a file of a single part, `url` is the URL of that part.
 */
export const startedUpload = z.object({
  id: z.string(),
  fileName: z.string(),
  fileSize: z.int(),
  method: z.literal('PUT'),
  url: z.string().nullable(),
  parts: z.array(z.object({ partNumber: z.int(), offset: z.int(), size: z.int(), url: z.string() })),
  expiresAt: instant,
  /** The largest file, in bytes, that may be sent in a form with its message, for clients that cannot reach the store. */
  formMaxBytes: z.int(),
})
export type StartedUpload = z.infer<typeof startedUpload>
