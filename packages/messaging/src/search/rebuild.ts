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
  /** Number of messages processed so far, and in total; neither includes messages sent since the start. */
  done: number
  total: number
  /** Number of removed index rows that belonged to no message. */
  removed: number
  /** Everything up to here is indexed; pass it as `after` to resume. */
  upTo: MessageKey | null
}

export interface SearchRebuildOptions {
  /** Resume after this message instead of starting with the first. */
  after?: MessageKey | undefined
  /** Messages read and written per batch. */
  batchSize?: number
  onProgress?: (progress: SearchRebuildProgress) => void
  signal?: AbortSignal
}

/** Limit for the time between two statements of a batch, in which terms are computed: seconds at most. */
const IDLE_MS = 60_000

/**
 * Rebuilds the search index from the messages, in batches by key, one transaction each, merging runs that were indexed piece
 * by piece. Searches continue meanwhile; the worker and deletions wait for one batch at most. Idempotent.
 */
export class SearchRebuild {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** @returns the progress at the end, or when `signal` stopped it */
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
      // Lock before reading: a deletion after that waits, and then removes its messages from what was indexed here.
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
