import { type Database, indexMessages, type MessageTerms } from '@parley/db'
import type { Message } from '@parley/protocol'
import { messageTerms } from './tsearch.ts'

/** What the index needs of a message. */
export type Indexable = Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'content' | 'type'> & {
  attachments: readonly { fileName: string }[]
}

/** Messages of one statement: a few milliseconds of this process's time and of the database's. */
const BATCH = 200

/**
 * Puts messages into the search index: their content and the names of their files. Safe to run again for the same
 * message, and the way to bring the index up to date after one was changed. SYSTEM messages are not searched.
 */
export class SearchIndexer {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** @param known whether they are likely to be in the index: it works either way, and costs less the right way */
  async index(messages: readonly Indexable[], { known } = { known: false }): Promise<void> {
    const found = messages.filter(({ type }) => type !== 'SYSTEM')
    for (let at = 0; at < found.length; at += BATCH) {
      await indexMessages(this.#db.pool, found.slice(at, at + BATCH).map(termsOf), { known })
    }
  }
}

function termsOf({ conversationId, seq, senderId, content, attachments }: Indexable): MessageTerms {
  const names = attachments.map(({ fileName }) => fileName)
  return { conversationId, seq, terms: messageTerms(senderId, [content, ...names]) }
}
