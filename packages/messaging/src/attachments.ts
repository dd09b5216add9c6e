import { type AttachmentRow, type Database, findConversations, findUploads, toStoredAttachment } from '@parley/db'
import { type MessageType, ParleyError, type PostMessage, type StoredAttachment } from '@parley/protocol'
import type { AttachmentStore } from './ports.ts'

export interface Claim extends Pick<PostMessage, 'clientMessageId' | 'attachments'> {
  conversationId: string
  senderId: string
}

/**
 * Checks the uploads that a message names, before it is queued: first in the table, then in object storage. Whether the
 * message gets them is decided when it is stored, by claim_attachments() in the same transaction. This check yields exact
 * errors and keeps round trips to object storage out of that transaction.
 * @returns the attachments in the order of the claim
 * @throws {ParleyError} CONVERSATION_NOT_FOUND, ATTACHMENT_NOT_FOUND, UPLOAD_INCOMPLETE, and what `store.inspect` throws
 */
export async function checkClaim(db: Database, store: AttachmentStore, claim: Claim): Promise<StoredAttachment[]> {
  const { conversationId, senderId } = claim
  const ids = claim.attachments.map(({ id }) => id)
  const rows = await findUploads(db.pool, conversationId, senderId, ids)
  if (rows.length < ids.length) await refuseClaim(db, conversationId, senderId)
  const byId = new Map(rows.map((row) => [row.id, row]))
  const ordered = ids.flatMap((id) => byId.get(id) ?? [])
  await Promise.all(ordered.map((row) => checkUpload(store, row, claim)))
  return ordered.map(toStoredAttachment)
}

async function checkUpload(store: AttachmentStore, row: AttachmentRow, claim: Claim): Promise<void> {
  // Possibly a resend of the message that claimed it. Storing it will tell, and return the stored message.
  if (row.state === 'CLAIMED' && claim.clientMessageId != null) return
  if (row.state === 'UPLOADING') {
    throw new ParleyError('UPLOAD_INCOMPLETE', { message: `The upload ${row.id} has not been completed.` })
  }
  if (row.state !== 'READY') throw notFound(row.id)
  const found = await store.inspect(row.conversation_id, row.id, row.file_name)
  if (found.size !== row.file_size || found.type !== row.file_type) {
    throw new ParleyError('UPLOAD_INCOMPLETE', { message: `The file ${row.id} is not the one that was uploaded.` })
  }
}

/** @throws {ParleyError} CONVERSATION_NOT_FOUND if the sender is not a member, else ATTACHMENT_NOT_FOUND */
export async function refuseClaim(db: Database, conversationId: string, senderId: string): Promise<never> {
  const [member] = await findConversations(db.pool, [{ conversationId, userId: senderId }])
  throw member === undefined ? new ParleyError('CONVERSATION_NOT_FOUND') : notFound()
}

function notFound(id?: string): ParleyError {
  const what = id === undefined ? 'an attachment that' : `the attachment ${id}, which`
  return new ParleyError('ATTACHMENT_NOT_FOUND', {
    message: `The message names ${what} is not an unused upload of yours in this conversation.`,
  })
}

const FAMILIES = { IMAGE: 'image/', VIDEO: 'video/', AUDIO: 'audio/' } as const

/**
 * Returns the type of a message with these files: the requested one if it fits all files, else their common type. Any file
 * fits FILE. An SVG is a document, not an image.
 * @throws {ParleyError} ATTACHMENT_TYPE_MISMATCH
 */
export function messageTypeOf(wanted: MessageType | undefined, files: readonly StoredAttachment[]): MessageType {
  if (wanted === undefined) return files.length === 0 ? 'TEXT' : commonType(files)
  if (wanted === 'IMAGE' || wanted === 'VIDEO' || wanted === 'AUDIO') {
    const mismatch = files.find((file) => !fits(wanted, file))
    if (mismatch === undefined) return wanted
    throw new ParleyError('ATTACHMENT_TYPE_MISMATCH', {
      message: `The message is of type ${wanted}, but “${mismatch.fileName}” is ${mismatch.fileType}.`,
      details: { id: mismatch.id, fileType: mismatch.fileType },
    })
  }
  return wanted
}

function commonType(files: readonly StoredAttachment[]): MessageType {
  const types = ['IMAGE', 'VIDEO', 'AUDIO'] as const
  return types.find((type) => files.every((file) => fits(type, file))) ?? 'FILE'
}

function fits(type: keyof typeof FAMILIES, { fileType }: Pick<StoredAttachment, 'fileType'>): boolean {
  return fileType.startsWith(FAMILIES[type]) && fileType !== 'image/svg+xml'
}
