import { randomUUIDv7 } from 'node:crypto'
import {
  type AttachmentRow,
  type CondemnedRow,
  condemnAbandoned,
  condemnAttachments,
  type Database,
  deleteAttachments,
  findUploads,
  finishAttachment,
  insertAttachment,
  noteUploadId,
  toStoredAttachment,
  type UploadPlace,
} from '@parley/db'
import { ParleyError, type StartedUpload, type StartUpload, type StoredAttachment } from '@parley/protocol'
import { missingParts, planParts, signParts } from './direct.ts'
import { cleanFileName } from './file-name.ts'
import { ObjectInspector } from './inspect.ts'
import { ObjectStore } from './objects.ts'
import { credentialsOf, objectKey, publicLocationOf, type StorageSettings } from './options.ts'
import { peek } from './peek.ts'
import { requireSize, requireType } from './policy.ts'
import { Presigner } from './presign.ts'
import { PICTURE_BYTES, readPicture } from './preview.ts'
import { HEAD_BYTES, sniffType } from './sniff.ts'
import { uploadStream } from './stream-upload.ts'

/** Uploads that no message names, of one person; they are removed after a day. */
const UNCLAIMED_EACH = 100

export interface IncomingFile {
  conversationId: string
  uploaderId: string
  /** As the client called it. */
  fileName: string
  source: AsyncIterable<Buffer>
  /** Called once the type is known, before anything is stored; throws where the file does not fit. */
  accept: (file: Pick<StoredAttachment, 'id' | 'fileName' | 'fileType'>) => void
  /** Aborted when the client is gone. */
  signal: AbortSignal
}

export interface AbandonedUploads {
  before: Date
  /** The last one of the removal before this one; null to begin with the oldest. */
  after: UploadPlace | null
  limit: number
  /** Ends what waits for the store. */
  signal: AbortSignal
}

export interface RemovedUploads {
  removed: number
  /** Of those that could not be removed; they stay to be tried again. */
  errors: unknown[]
  /** The last one that was looked at; null where there are no more after it. */
  last: UploadPlace | null
}

/** A file that is in the store, whole. */
type WholeFile = Pick<StoredAttachment, 'id' | 'fileSize' | 'fileType'> &
  Pick<IncomingFile, 'conversationId' | 'uploaderId'>

/**
 * Brings files into the store. Each has a row in `attachments` before its first byte is there and until its last is gone,
 * so whatever ends in between, the process included, the worker finds what is left and removes it.
 */
export class AttachmentUploads {
  readonly #db: Database
  readonly #settings: StorageSettings
  readonly #onLimited: () => void
  readonly #store: ObjectStore
  readonly #inspector: ObjectInspector
  readonly #presigner: Presigner

  /** @param onLimited called for each upload that is refused as its person has too many that no message names */
  constructor(db: Database, settings: StorageSettings, onLimited: () => void = () => undefined) {
    this.#db = db
    this.#settings = settings
    this.#onLimited = onLimited
    this.#store = new ObjectStore(settings)
    this.#inspector = new ObjectInspector(settings)
    this.#presigner = new Presigner(publicLocationOf(settings), credentialsOf(settings))
  }

  /**
   * Stores a file as it comes in. On failure nothing of it is left, or will be soon: what cannot be removed now, with the
   * store away, the worker removes.
   * @returns undefined for the empty file without a name that a browser's form sends where none was chosen
   * @throws {ParleyError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, STORAGE_UNAVAILABLE, RATE_LIMITED, and what `accept` and
   * `source` throw
   */
  async receive(file: IncomingFile): Promise<StoredAttachment | undefined> {
    const { head, source } = await peek(file.source, HEAD_BYTES)
    if (file.fileName === '' && head.length === 0) return undefined
    const fileName = cleanFileName(file.fileName)
    const maxBytes = this.#settings.ATTACHMENT_MAX_BYTES
    const fileType = await sniffType(head, fileName)
    requireType(fileName, fileType, this.#settings.ATTACHMENT_TYPES)
    const id = randomUUIDv7()
    file.accept({ id, fileName, fileType })
    await this.#note(id, file.conversationId, file.uploaderId, fileName, 0)
    try {
      const fileSize = await uploadStream(this.#store, {
        key: objectKey(file.conversationId, id),
        source,
        grown: (size) => requireSize(fileName, size, maxBytes),
        begun: (uploadId) => this.#begun(id, uploadId),
        signal: file.signal,
      })
      return await this.#finish({ ...file, id, fileSize, fileType })
    } catch (error) {
      // The first error is the one to tell; a removal that fails is finished by the worker.
      const discarded = this.discard([id]).catch(() => undefined)
      // Nobody is there who would wait for it.
      if (file.signal.aborted) throw new ParleyError('UPLOAD_INCOMPLETE', { cause: error })
      await discarded
      throw error
    }
  }

  /**
   * Begins a direct upload. All of them are multipart uploads, of one part if small: the signed addresses end with the
   * upload, so that nobody can put other bytes in the place of a file that has been looked at, and that on any S3.
   * @throws {ParleyError} FILE_TOO_LARGE, STORAGE_UNAVAILABLE, RATE_LIMITED
   */
  async start(conversationId: string, uploaderId: string, wanted: StartUpload): Promise<StartedUpload> {
    const fileName = cleanFileName(wanted.fileName)
    const { ATTACHMENT_DIRECT_MAX_BYTES: maxBytes, ATTACHMENT_MAX_BYTES: formMaxBytes } = this.#settings
    requireSize(fileName, wanted.fileSize, maxBytes)
    const id = randomUUIDv7()
    const key = objectKey(conversationId, id)
    await this.#note(id, conversationId, uploaderId, fileName, wanted.fileSize)
    try {
      const uploadId = await this.#store.begin(key)
      await this.#begun(id, uploadId)
      const { parts, expiresAt } = signParts(this.#presigner, key, uploadId, planParts(wanted.fileSize), Date.now())
      const url = parts.length === 1 ? (parts[0]?.url ?? null) : null
      return { id, fileName, fileSize: wanted.fileSize, method: 'PUT', url, parts, expiresAt, formMaxBytes }
    } catch (error) {
      await this.discard([id]).catch(() => undefined)
      throw error
    }
  }

  /**
   * Ends a direct upload, once all of its parts are in the store. May be asked again.
   * @throws {ParleyError} ATTACHMENT_NOT_FOUND; UPLOAD_INCOMPLETE (details.missingParts) where parts are missing, which may
   * still be sent; FILE_TYPE_NOT_ALLOWED and FILE_TOO_LARGE, after which the upload is gone; STORAGE_UNAVAILABLE
   */
  async complete(conversationId: string, uploaderId: string, id: string): Promise<StoredAttachment> {
    const row = await this.#find(conversationId, uploaderId, id)
    if (row?.state !== 'UPLOADING' || row.upload_id === null) return finished(row)
    await this.#join(row, row.upload_id)
    try {
      const { size, type } = await this.#inspector.inspect(conversationId, id, row.file_name)
      if (size !== row.file_size) throw new ParleyError('UPLOAD_INCOMPLETE')
      return await this.#finish({ id, conversationId, uploaderId, fileSize: size, fileType: type })
    } catch (error) {
      const final = error instanceof ParleyError && !error.retryAfterMs
      if (final) await this.discard([id]).catch(() => undefined)
      throw error
    }
  }

  /** Removes somebody's upload. @returns false where they have none of this id that no message names */
  async giveUp(conversationId: string, uploaderId: string, id: string): Promise<boolean> {
    const row = await this.#find(conversationId, uploaderId, id)
    if (row === undefined) return false
    // A message may have named it since.
    return (await this.#condemn([id])) > 0
  }

  /**
   * Removes uploads that no message names; what a message names is left alone.
   * @throws {ParleyError} STORAGE_UNAVAILABLE where one could not be removed; the others are
   */
  async discard(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#condemn(ids)
  }

  /** @returns how many there were that no message names. @throws {ParleyError} STORAGE_UNAVAILABLE */
  async #condemn(ids: readonly string[]): Promise<number> {
    const condemned = await condemnAttachments(this.#db.pool, ids)
    const [error] = await this.#remove(condemned)
    if (error !== undefined) throw error
    return condemned.length
  }

  /** Removes up to `limit` uploads that were begun before `before` and that no message names, the oldest that come `after` one. */
  async removeAbandoned({ before, after, limit, signal }: AbandonedUploads): Promise<RemovedUploads> {
    const rows = await condemnAbandoned(this.#db.pool, before, after, limit)
    const errors = await this.#remove(rows, signal)
    return { removed: rows.length - errors.length, errors, last: rows.length < limit ? null : (rows.at(-1) ?? null) }
  }

  close(): void {
    this.#store.close()
  }

  /** @returns why some could not be removed */
  async #remove(rows: readonly CondemnedRow[], signal?: AbortSignal): Promise<unknown[]> {
    const ends = await Promise.allSettled(
      rows.map(({ id, conversation_id, upload_id }) =>
        this.#store.remove(objectKey(conversation_id, id), upload_id, signal),
      ),
    )
    const gone = rows.filter((_, index) => ends[index]?.status === 'fulfilled')
    await deleteAttachments(
      this.#db.pool,
      gone.map(({ id }) => id),
    )
    return ends.flatMap((end) => (end.status === 'rejected' ? [end.reason] : []))
  }

  async #note(
    id: string,
    conversationId: string,
    uploaderId: string,
    fileName: string,
    fileSize: number,
  ): Promise<void> {
    const row = { id, conversationId, uploaderId, fileName, fileSize }
    if (await insertAttachment(this.#db.pool, row, UNCLAIMED_EACH)) return
    this.#onLimited()
    throw new ParleyError('RATE_LIMITED', {
      message: `You have ${UNCLAIMED_EACH} uploads that no message names; use them or remove them first.`,
      retryAfterMs: 60_000,
    })
  }

  async #begun(id: string, uploadId: string): Promise<void> {
    if (!(await noteUploadId(this.#db.pool, id, uploadId))) throw new ParleyError('ATTACHMENT_NOT_FOUND')
  }

  /** Makes one object of the parts. That there is no such upload means that it is one already. */
  async #join(row: AttachmentRow, uploadId: string): Promise<void> {
    const key = objectKey(row.conversation_id, row.id)
    const parts = await this.#store.parts(key, uploadId)
    if (parts === undefined) return
    const missing = missingParts(planParts(row.file_size), parts)
    if (missing.length > 0) {
      throw new ParleyError('UPLOAD_INCOMPLETE', {
        message: `The upload lacks ${missing.length === 1 ? 'a part' : `${missing.length} parts`}.`,
        details: { missingParts: missing.slice(0, 100) },
      })
    }
    await this.#store.complete(key, uploadId, parts)
  }

  async #finish(file: WholeFile): Promise<StoredAttachment> {
    const { id, conversationId, uploaderId, fileSize, fileType } = file
    const isPicture = fileType.startsWith('image/') && fileType !== 'image/svg+xml' && fileSize <= PICTURE_BYTES
    const picture = isPicture ? await readPicture(() => this.#store.read(objectKey(conversationId, id))) : null
    const { width = null, height = null, preview = null } = picture ?? {}
    const row = await finishAttachment(this.#db.pool, id, { fileSize, fileType, width, height, preview })
    // Completed by the same request sent twice; or else removed meanwhile.
    return finished(row ?? (await this.#find(conversationId, uploaderId, id)))
  }

  async #find(conversationId: string, uploaderId: string, id: string): Promise<AttachmentRow | undefined> {
    const [row] = await findUploads(this.#db.pool, conversationId, uploaderId, [id])
    return row
  }
}

/** @throws {ParleyError} ATTACHMENT_NOT_FOUND where it is none that a message may name or names */
function finished(row: AttachmentRow | undefined): StoredAttachment {
  if (row?.state === 'READY' || row?.state === 'CLAIMED') return toStoredAttachment(row)
  throw new ParleyError('ATTACHMENT_NOT_FOUND')
}
