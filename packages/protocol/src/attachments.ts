import { z } from 'zod'
import { LIMITS } from './limits.ts'
import { conversationId, instant, storable, uuid } from './primitives.ts'

/*
 * Files of messages. A file of some megabytes comes with its message as multipart/form-data; a larger one is announced,
 * put straight into the store at the addresses that the answer gives, completed, and named by its id in the message.
 */

export const attachmentId = uuid
export const attachmentParams = z.object({ attachmentId })
export const uploadParams = z.object({ conversationId, attachmentId })

/** `POST …/conversations/:id/attachments`: a file of `fileSize` bytes is about to be put into the store. */
export const startUploadBody = z.object({
  /** As it comes; what is stored of it is a clean version. */
  fileName: storable(4 * LIMITS.fileNameBytes),
  fileSize: z.int().min(1),
})
export type StartUpload = z.infer<typeof startUploadBody>

/**
 * The answer to it. Each part is PUT, with exactly its `size` bytes from `offset` on, to its `url`, in any order and again
 * where one failed; then the upload is completed. Of a file that is one part, `url` is that part's.
 */
export const startedUpload = z.object({
  id: z.string(),
  fileName: z.string(),
  fileSize: z.int(),
  method: z.literal('PUT'),
  url: z.string().nullable(),
  parts: z.array(z.object({ partNumber: z.int(), offset: z.int(), size: z.int(), url: z.string() })),
  expiresAt: instant,
  /** The largest file that may come in a form with its message: the other way, where the store cannot be reached. Bytes. */
  formMaxBytes: z.int(),
})
export type StartedUpload = z.infer<typeof startedUpload>
