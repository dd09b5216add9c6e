import { randomUUIDv7 } from 'node:crypto'
import {
  type AttachmentRow,
  type Database,
  findUploads,
  finishAttachment,
  insertAttachment,
  noteUploadId,
  toStoredAttachment,
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
import { type AbandonedUploads, type RemovedUploads, UploadRemoval } from './removal.ts'
import { HEAD_BYTES, sniffType } from './sniff.ts'
import { uploadStream } from './stream-upload.ts'

export type { AbandonedUploads, RemovedUploads }

/** The most unclaimed uploads of one person; unclaimed uploads are removed after a day. */
const MAX_UNCLAIMED = 100

export interface IncomingFile {
  conversationId: string
  uploaderId: string
  /** The client's name for the file. */
  fileName: string
  source: AsyncIterable<Buffer>
  /** Called once the type is known, before anything is stored; throws if the file does not fit its message. */
  accept: (file: Pick<StoredAttachment, 'id' | 'fileName' | 'fileType'>) => void
  /** Aborted when the client disconnects. */
  signal: AbortSignal
}

/** A file that is in the store completely. */
type CompleteFile = Pick<StoredAttachment, 'id' | 'fileSize' | 'fileType'> &
  Pick<IncomingFile, 'conversationId' | 'uploaderId'>

/**
 * Uploads files to the store. Each has a row in `attachments` from before its first byte is stored until after its last is gone,
 * so whatever is interrupted, even by the end of the process, the worker finds and removes what is left.
 */
export class AttachmentUploads {
  readonly #db: Database
  readonly #settings: StorageSettings
  readonly #onLimited: () => void
  readonly #store: ObjectStore
  readonly #removal: UploadRemoval
  readonly #inspector: ObjectInspector
  readonly #presigner: Presigner

  /** @param onLimited called for each upload that is refused because its person has too many unclaimed ones */
  constructor(db: Database, settings: StorageSettings, onLimited: () => void = () => undefined) {
    this.#db = db
    this.#settings = settings
    this.#onLimited = onLimited
    this.#store = new ObjectStore(settings)
    this.#removal = new UploadRemoval(db, this.#store)
    this.#inspector = new ObjectInspector(settings)
    this.#presigner = new Presigner(publicLocationOf(settings), credentialsOf(settings))
  }

  /**
   * Stores a file as it arrives. On failure, what was stored is removed, or by the worker if the store is unavailable now.
   * @returns undefined for the empty, nameless file that a browser's form sends if none was chosen
   * @throws {ParleyError} FILE_TOO_LARGE, FILE_TYPE_NOT_ALLOWED, STORAGE_UNAVAILABLE, RATE_LIMITED, and whatever `accept` and
   *   `source` throw
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
    await this.#insert(id, file.conversationId, file.uploaderId, fileName, 0)
    try {
      const fileSize = await uploadStream(this.#store, {
        key: objectKey(file.conversationId, id),
        source,
        onSize: (size) => requireSize(fileName, size, maxBytes),
        onBegin: (uploadId) => this.#noteUploadId(id, uploadId),
        signal: file.signal,
      })
      return await this.#finish({ ...file, id, fileSize, fileType })
    } catch (error) {
      // Report the first error; the worker completes a removal that fails.
      const discarded = this.discard([id]).catch(() => undefined)
      // The client is gone: there is nobody to wait for the removal.
      if (file.signal.aborted) throw new ParleyError('UPLOAD_INCOMPLETE', { cause: error })
      await discarded
      throw error
    }
  }

  /**
   * Begins a direct upload. Even a small one is a multipart upload, with one part: its signed URLs end with the upload, so that
   * nobody can replace the bytes of a file after its inspection, on any S3.
   * @throws {ParleyError} FILE_TOO_LARGE, STORAGE_UNAVAILABLE, RATE_LIMITED
   */
  async start(conversationId: string, uploaderId: string, request: StartUpload): Promise<StartedUpload> {
    const fileName = cleanFileName(request.fileName)
    const { ATTACHMENT_DIRECT_MAX_BYTES: maxBytes, ATTACHMENT_MAX_BYTES: formMaxBytes } = this.#settings
    requireSize(fileName, request.fileSize, maxBytes)
    const id = randomUUIDv7()
    const key = objectKey(conversationId, id)
    await this.#insert(id, conversationId, uploaderId, fileName, request.fileSize)
    try {
      const uploadId = await this.#store.begin(key)
      await this.#noteUploadId(id, uploadId)
      const { parts, expiresAt } = signParts(this.#presigner, key, uploadId, planParts(request.fileSize), Date.now())
      const url = parts.length === 1 ? (parts[0]?.url ?? null) : null
      return { id, fileName, fileSize: request.fileSize, method: 'PUT', url, parts, expiresAt, formMaxBytes }
    } catch (error) {
      await this.discard([id]).catch(() => undefined)
      throw error
    }
  }

  /**
   * Completes a direct upload once all of its parts are in the store. May be repeated.
   * @throws {ParleyError} ATTACHMENT_NOT_FOUND; UPLOAD_INCOMPLETE (details.missingParts) if parts are missing, which may still
   *   be sent; FILE_TYPE_NOT_ALLOWED and FILE_TOO_LARGE, after which the upload is gone; STORAGE_UNAVAILABLE
   */
  async complete(conversationId: string, uploaderId: string, id: string): Promise<StoredAttachment> {
    const row = await this.#find(conversationId, uploaderId, id)
    if (row?.state !== 'UPLOADING' || row.upload_id === null) return finished(row)
    await this.#assemble(row, row.upload_id)
    try {
      const { size, type } = await this.#inspector.inspect(conversationId, id, row.file_name)
      if (size !== row.file_size) throw new ParleyError('UPLOAD_INCOMPLETE')
      return await this.#finish({ id, conversationId, uploaderId, fileSize: size, fileType: type })
    } catch (error) {
      const isFinal = error instanceof ParleyError && !error.retryAfterMs
      if (isFinal) await this.discard([id]).catch(() => undefined)
      throw error
    }
  }

  /** Removes an unclaimed upload of this person. @returns false if there is none with this id */
  async giveUp(conversationId: string, uploaderId: string, id: string): Promise<boolean> {
    const row = await this.#find(conversationId, uploaderId, id)
    if (row === undefined) return false
    // A message may have claimed it meanwhile.
    return (await this.#removal.remove([id])) > 0
  }

  /**
   * Removes unclaimed uploads among these; claimed ones are left alone.
   * @throws {ParleyError} STORAGE_UNAVAILABLE if any could not be removed; the others are
   */
  async discard(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#removal.remove(ids)
  }

  /** Removes up to `limit` unclaimed uploads created before `before`, the oldest that follow `after`. */
  removeAbandoned(abandoned: AbandonedUploads): Promise<RemovedUploads> {
    return this.#removal.removeAbandoned(abandoned)
  }

  close(): void {
    this.#store.close()
  }

  async #insert(
    id: string,
    conversationId: string,
    uploaderId: string,
    fileName: string,
    fileSize: number,
  ): Promise<void> {
    const row = { id, conversationId, uploaderId, fileName, fileSize }
    if (await insertAttachment(this.#db.pool, row, MAX_UNCLAIMED)) return
    this.#onLimited()
    throw new ParleyError('RATE_LIMITED', {
      message: `You have ${MAX_UNCLAIMED} uploads that are not part of a message; use or remove them first.`,
      retryAfterMs: 60_000,
    })
  }

  async #noteUploadId(id: string, uploadId: string): Promise<void> {
    if (!(await noteUploadId(this.#db.pool, id, uploadId))) throw new ParleyError('ATTACHMENT_NOT_FOUND')
  }

  /** Completes the multipart upload. If it does not exist, an earlier call has completed it. */
  async #assemble(row: AttachmentRow, uploadId: string): Promise<void> {
    const key = objectKey(row.conversation_id, row.id)
    const parts = await this.#store.parts(key, uploadId)
    if (parts === undefined) return
    const missing = missingParts(planParts(row.file_size), parts)
    if (missing.length > 0) {
      throw new ParleyError('UPLOAD_INCOMPLETE', {
        message: `The upload is missing ${missing.length === 1 ? 'a part' : `${missing.length} parts`}.`,
        details: { missingParts: missing.slice(0, 100) },
      })
    }
    await this.#store.complete(key, uploadId, parts)
  }

  async #finish(file: CompleteFile): Promise<StoredAttachment> {
    const { id, conversationId, uploaderId, fileSize, fileType } = file
    const isPicture = fileType.startsWith('image/') && fileType !== 'image/svg+xml' && fileSize <= PICTURE_BYTES
    const picture = isPicture ? await readPicture(() => this.#store.read(objectKey(conversationId, id))) : null
    const { width = null, height = null, preview = null } = picture ?? {}
    const row = await finishAttachment(this.#db.pool, id, { fileSize, fileType, width, height, preview })
    // Without a row, a repetition of this request has completed the upload, or it was removed meanwhile.
    return finished(row ?? (await this.#find(conversationId, uploaderId, id)))
  }

  async #find(conversationId: string, uploaderId: string, id: string): Promise<AttachmentRow | undefined> {
    const [row] = await findUploads(this.#db.pool, conversationId, uploaderId, [id])
    return row
  }
}

/** @throws {ParleyError} ATTACHMENT_NOT_FOUND unless the upload is READY or CLAIMED */
function finished(row: AttachmentRow | undefined): StoredAttachment {
  if (row?.state === 'READY' || row?.state === 'CLAIMED') return toStoredAttachment(row)
  throw new ParleyError('ATTACHMENT_NOT_FOUND')
}
