import type { StoredAttachment } from '@parley/protocol'
import { FIRST_ID } from '../id-range.ts'
import type { Queryable } from '../pool.ts'

/** A file in the object store; for its states see schema.ts. */
export interface AttachmentRow {
  id: string
  conversation_id: string
  uploader_id: string
  state: 'UPLOADING' | 'READY' | 'CLAIMED' | 'DELETING'
  file_name: string
  file_size: number
  file_type: string | null
  width: number | null
  height: number | null
  preview: string | null
  upload_id: string | null
}

/** Converts a finished upload to what is stored with a message. */
export function toStoredAttachment(row: AttachmentRow): StoredAttachment {
  const { width, height, preview } = row
  return {
    id: row.id,
    fileName: row.file_name,
    fileSize: row.file_size,
    fileType: row.file_type ?? 'application/octet-stream',
    ...(width === null || height === null ? {} : { width, height }),
    ...(preview === null ? {} : { preview }),
  }
}

const COLUMNS = `a.id, a.conversation_id, a.uploader_id, a.state, a.file_name, a.file_size, a.file_type, a.width, a.height,
  a.preview, a.upload_id`

export interface NewAttachment {
  id: string
  conversationId: string
  uploaderId: string
  fileName: string
  /** The announced size in bytes; 0 if unknown. */
  fileSize: number
}

/**
 * Records an upload that is about to begin. A person may have at most `quota` uploads that no message has claimed, not
 * counting those being removed.
 * @returns false, with nothing written, if the quota is used up. Concurrent uploads may exceed it by one
 */
export async function insertAttachment(db: Queryable, row: NewAttachment, quota: number): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'insert_attachment',
    text: `
      insert into attachments (id, conversation_id, uploader_id, file_name, file_size)
      select $1, $2, $3, $4, $5
      where (
        select count(*) from attachments where uploader_id = $3 and message_id is null and state <> 'DELETING'
      ) < $6`,
    values: [row.id, row.conversationId, row.uploaderId, row.fileName, row.fileSize, quota],
  })
  return (rowCount ?? 0) > 0
}

/*
 * Below, an upload is looked up by its id, and its state is compared as text. Otherwise a plan made while few uploads are
 * unclaimed could use the partial index of unclaimed uploads, and each lookup would scan all of them once there are many.
 * Rows are locked in the order of their ids, as in claim_attachments().
 */

/** Records the store's id of a multipart upload, so that it can be aborted. @returns false if it is no longer UPLOADING */
export async function noteUploadId(db: Queryable, id: string, uploadId: string): Promise<boolean> {
  const { rowCount } = await db.query({
    name: 'note_upload_id',
    text: `update attachments set upload_id = $2 where id = $1 and state::text = 'UPLOADING'`,
    values: [id, uploadId],
  })
  return (rowCount ?? 0) > 0
}

export interface FinishedAttachment {
  fileSize: number
  fileType: string
  width: number | null
  height: number | null
  preview: string | null
}

/** Moves an upload from UPLOADING to READY: the object is complete. @returns undefined if it is no longer UPLOADING */
export async function finishAttachment(
  db: Queryable,
  id: string,
  file: FinishedAttachment,
): Promise<AttachmentRow | undefined> {
  const { rows } = await db.query<AttachmentRow>({
    name: 'finish_attachment',
    text: `
      update attachments a set state = 'READY', file_size = $2, file_type = $3, width = $4, height = $5, preview = $6,
        upload_id = null
      where a.id = $1 and a.state::text = 'UPLOADING' returning ${COLUMNS}`,
    values: [id, file.fileSize, file.fileType, file.width, file.height, file.preview],
  })
  return rows[0]
}

/** Returns those of these uploads that this person made to this conversation, in no particular order. */
export async function findUploads(
  db: Queryable,
  conversationId: string,
  uploaderId: string,
  ids: readonly string[],
): Promise<AttachmentRow[]> {
  const { rows } = await db.query<AttachmentRow>({
    name: 'find_uploads',
    text: `
      select ${COLUMNS} from attachments a
      where a.id = any ($1::uuid[]) and a.conversation_id = $2 and a.uploader_id = $3`,
    values: [ids, conversationId, uploaderId],
  })
  return rows
}

/**
 * Returns a finished attachment if this person may see it: once an undeleted message has claimed it, any member of the
 * conversation may; before that, only the uploader, while still a member.
 */
export async function findAttachment(db: Queryable, id: string, userId: string): Promise<AttachmentRow | undefined> {
  const { rows } = await db.query<AttachmentRow>({
    name: 'find_attachment',
    text: `
      select ${COLUMNS} from attachments a
      join participants p on p.conversation_id = a.conversation_id and p.user_id = $2 and p.left_at is null
      where a.id = $1 and (
        (a.state = 'READY' and a.uploader_id = $2) or (a.state = 'CLAIMED' and exists (
          select from messages m
          where m.conversation_id = a.conversation_id and m.id = a.message_id and m.deleted_at is null offset 0)))`,
    values: [id, userId],
  })
  return rows[0]
}

/** An upload whose object is to be removed. */
export type CondemnedRow = Pick<AttachmentRow, 'id' | 'conversation_id' | 'upload_id'>

/**
 * Begins the removal of uploads, which no message can claim from now on. Claimed ones are left alone.
 * @returns the uploads to remove from the store, including those whose removal had begun before
 */
export async function condemnAttachments(db: Queryable, ids: readonly string[]): Promise<CondemnedRow[]> {
  const { rows } = await db.query<CondemnedRow>({
    name: 'condemn_attachments',
    text: `
      update attachments set state = 'DELETING' where id = any (array(
        select id from attachments where id = any ($1::uuid[]) and state::text <> 'CLAIMED' order by id for update
      ))
      returning id, conversation_id, upload_id`,
    values: [ids],
  })
  return rows
}

/** The position of an upload in the order of creation. */
export type UploadPlace = { id: string; created_at: string }

/**
 * Begins the removal of the oldest unclaimed uploads created before `before`, and resumes unfinished removals; takes up to
 * `limit` that follow `after`, in order of creation. Locked rows, such as those being claimed by a message, are skipped.
 */
export async function condemnAbandoned(
  db: Queryable,
  before: Date,
  after: UploadPlace | null,
  limit: number,
): Promise<(CondemnedRow & UploadPlace)[]> {
  const { rows } = await db.query<CondemnedRow & UploadPlace>({
    name: 'condemn_abandoned',
    text: `
      with taken as (
        select id from attachments
        where state <> 'CLAIMED' and (state = 'DELETING' or created_at < $1) and (created_at, id) > ($2::timestamptz, $3::uuid)
        order by created_at, id limit $4 for update skip locked
      ), condemned as (
        update attachments set state = 'DELETING' where id in (select id from taken)
        returning id, conversation_id, upload_id, created_at
      )
      select * from condemned order by created_at, id`,
    values: [before.toISOString(), after?.created_at ?? '-infinity', after?.id ?? FIRST_ID, limit],
  })
  return rows
}

/** Completes removals: the objects are gone. */
export async function deleteAttachments(db: Queryable, ids: readonly string[]): Promise<void> {
  await db.query({
    name: 'delete_attachments',
    text: `
      delete from attachments where id = any (array(
        select id from attachments where id = any ($1::uuid[]) and state::text = 'DELETING' order by id for update
      ))`,
    values: [ids],
  })
}
