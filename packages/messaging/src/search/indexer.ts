import { type Database, indexMessages, type MessageTerms } from '@parley/db'
import type { Message } from '@parley/protocol'
import { toTsvector } from './tsearch.ts'

/** What the index needs of a message. */
export type Indexable = Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'content' | 'type' | 'createdAt'> & {
  attachments: readonly { fileName: string }[]
}

/** Messages of one statement: some tens of milliseconds of this process's time and some hundred of the database's. */
const BATCH = 500

/**
 * Puts messages into the search index: their content and the names of their files. Safe to run again for the same
 * message, and the way to bring the index up to date after one was changed. SYSTEM messages are not searched.
 */
export class SearchIndexer {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  async index(messages: readonly Indexable[]): Promise<void> {
    const found = messages.filter(({ type }) => type !== 'SYSTEM')
    for (let at = 0; at < found.length; at += BATCH) {
      await indexMessages(this.#db.pool, found.slice(at, at + BATCH).map(termsOf))
    }
  }
}

function termsOf({ conversationId, seq, senderId, content, createdAt, attachments }: Indexable): MessageTerms {
  const names = attachments.map(({ fileName }) => fileName)
  return { conversationId, seq, sentAt: createdAt, terms: toTsvector(senderId, [content, ...names]) }
}
