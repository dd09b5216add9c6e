import {
  clearIndex,
  countMessages,
  type Database,
  type IndexableRow,
  listIndexable,
  lockIndex,
  type MessageKey,
  type Queryable,
  startOfSlice,
  transaction,
} from '@parley/db'
import { type Indexable, indexForSearch } from './indexer.ts'

export interface SearchRebuildProgress {
  /** Messages passed so far and in all; messages that were sent meanwhile are in neither. */
  done: number
  total: number
  /** Rows that stood for no message and were removed. */
  removed: number
  /** Everything up to here is in the index; a run that starts after it carries on. */
  upTo: MessageKey | null
}

export interface SearchRebuildOptions {
  /** Carry on after this message instead of beginning with the first. */
  after?: MessageKey | undefined
  /** Messages read and written at once. */
  batchSize?: number
  onProgress?: (progress: SearchRebuildProgress) => void
  signal?: AbortSignal
}

/** Between two statements of a batch lies the making of terms: no more than seconds. */
const IDLE_MS = 60_000

/**
 * Makes the index anew from the messages, in batches by key, each in a transaction of its own, and joins what was indexed bit
 * by bit. Searches go on; the worker and deletions wait for one batch at most. Running it twice changes nothing that is found.
 */
export class SearchRebuild {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** @returns where it stands at the end, or where `signal` stopped it */
  async run({
    after,
    batchSize = 1_000,
    onProgress,
    signal,
  }: SearchRebuildOptions = {}): Promise<SearchRebuildProgress> {
    const { pool } = this.#db
    let upTo: MessageKey | null = after === undefined ? null : startOfSlice(after)
    let [total, done, removed] = [await countMessages(pool, null), upTo ? await countMessages(pool, upTo) : 0, 0]
    const report = () => {
      const progress = { done, total, removed, upTo }
      onProgress?.(progress)
      return progress
    }
    while (signal?.aborted !== true) {
      const batch = await this.#batch(upTo, batchSize)
      removed += batch.removed
      if (batch.upTo === null) {
        done = total
        return report()
      }
      upTo = batch.upTo
      done += batch.messages
      total = Math.max(total, done)
      report()
    }
    return report()
  }

  #batch(
    after: MessageKey | null,
    size: number,
  ): Promise<{ messages: number; removed: number; upTo: MessageKey | null }> {
    const work = async (tx: Queryable) => {
      // Before the messages are read: what is deleted after that waits, and is then taken out of what was put in here.
      await lockIndex(tx)
      const { rows, upTo } = await listIndexable(tx, after, size)
      const removed = await clearIndex(tx, after, upTo)
      await indexForSearch(tx, rows.map(indexable))
      return { messages: rows.length, removed, upTo }
    }
    return transaction(this.#db, work, IDLE_MS)
  }
}

function indexable(row: IndexableRow): Indexable {
  return {
    conversationId: row.conversation_id,
    seq: row.seq,
    senderId: row.sender_id,
    content: row.content,
    type: row.type,
    attachments: row.attachments ?? [],
  }
}
