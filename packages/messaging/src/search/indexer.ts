import { type Database, indexMessages } from '@parley/db'
import type { Message } from '@parley/protocol'
import { toTsvector } from './tsearch.ts'

/** What the index needs of a message. */
export type Indexable = Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'content' | 'type' | 'createdAt'> & {
  attachments: readonly { fileName: string }[]
}

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
    await indexMessages(
      this.#db.pool,
      messages
        .filter(({ type }) => type !== 'SYSTEM')
        .map((message) => ({
          conversationId: message.conversationId,
          seq: message.seq,
          sentAt: message.createdAt,
          terms: toTsvector(message.senderId, [
            message.content,
            ...message.attachments.map((attachment) => attachment.fileName),
          ]),
        })),
    )
  }
}
