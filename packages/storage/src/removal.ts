import {
  type CondemnedRow,
  condemnAbandoned,
  condemnAttachments,
  type Database,
  deleteAttachments,
  type UploadPlace,
} from '@parley/db'
import type { ObjectStore } from './objects.ts'
import { objectKey } from './options.ts'

export interface AbandonedUploads {
  before: Date
  /** The last upload that the previous call looked at; null to begin with the oldest. */
  after: UploadPlace | null
  limit: number
  /** Stops waiting for the store. */
  signal: AbortSignal
}

export interface RemovedUploads {
  removed: number
  /** The errors of those that could not be removed; they will be tried again. */
  errors: unknown[]
  /** The last upload that was looked at; null if there are no more after it. */
  last: UploadPlace | null
}

/**
 * Removes unclaimed uploads. A row becomes DELETING before its object is removed and goes after it, so that an interrupted
 * removal can be resumed.
 */
export class UploadRemoval {
  readonly #db: Database
  readonly #store: ObjectStore

  constructor(db: Database, store: ObjectStore) {
    this.#db = db
    this.#store = store
  }

  /**
   * Removes the unclaimed uploads among these.
   * @returns their number
   * @throws {ParleyError} STORAGE_UNAVAILABLE if any could not be removed; the others are
   */
  async remove(ids: readonly string[]): Promise<number> {
    const condemned = await condemnAttachments(this.#db.pool, ids)
    const [error] = await this.#finish(condemned)
    if (error !== undefined) throw error
    return condemned.length
  }

  /** Removes up to `limit` unclaimed uploads created before `before`, the oldest that follow `after`. */
  async removeAbandoned({ before, after, limit, signal }: AbandonedUploads): Promise<RemovedUploads> {
    const rows = await condemnAbandoned(this.#db.pool, before, after, limit)
    const errors = await this.#finish(rows, signal)
    return { removed: rows.length - errors.length, errors, last: rows.length < limit ? null : (rows.at(-1) ?? null) }
  }

  /** @returns the errors of those that could not be removed */
  async #finish(rows: readonly CondemnedRow[], signal?: AbortSignal): Promise<unknown[]> {
    const results = await Promise.allSettled(
      rows.map(({ id, conversation_id, upload_id }) =>
        this.#store.remove(objectKey(conversation_id, id), upload_id, signal),
      ),
    )
    const gone = rows.filter((_, index) => results[index]?.status === 'fulfilled')
    await deleteAttachments(
      this.#db.pool,
      gone.map(({ id }) => id),
    )
    return results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  }
}
