import {
  countMessages,
  type Database,
  type IndexableRow,
  isTransient,
  listIndexable,
  type MessageKey,
  pruneIndex,
} from '@parley/db'
import { type Indexable, SearchIndexer } from './indexer.ts'

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

const ATTEMPTS = 5

/**
 * Makes the index anew from the messages, in batches by key, each in transactions of its own. Nothing is emptied and
 * nothing waits: searches go on, and so does the worker with what comes in. Running it twice changes nothing.
 */
export class SearchRebuild {
  readonly #db: Database
  readonly #indexer: SearchIndexer

  constructor(db: Database) {
    this.#db = db
    this.#indexer = new SearchIndexer(db)
  }

  /** @returns where it stands at the end, or where `signal` stopped it */
  async run({
    after,
    batchSize = 1_000,
    onProgress,
    signal,
  }: SearchRebuildOptions = {}): Promise<SearchRebuildProgress> {
    const { pool } = this.#db
    let upTo: MessageKey | null = after ?? null
    let [total, done, removed] = [await countMessages(pool, null), after ? await countMessages(pool, after) : 0, 0]
    const report = () => {
      const progress = { done, total, removed, upTo }
      onProgress?.(progress)
      return progress
    }
    while (signal?.aborted !== true) {
      const rows = await listIndexable(pool, upTo, batchSize)
      const last = rows.at(-1)
      const end = last === undefined ? null : { conversationId: last.conversation_id, seq: last.seq }
      await this.#indexAgain(rows.map(indexable))
      removed += await pruneIndex(pool, upTo, end)
      if (end === null) {
        done = total
        return report()
      }
      upTo = end
      done += rows.length
      total = Math.max(total, done)
      report()
    }
    return report()
  }

  /** A deadlock with somebody who deletes the same messages undoes a batch; it is done again. */
  async #indexAgain(messages: readonly Indexable[]): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#indexer.index(messages, { known: true })
      } catch (error) {
        if (attempt === ATTEMPTS || !isTransient(error)) throw error
      }
    }
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
