import { indexMessages, type MessageTerms, type Queryable } from '@parley/db'
import type { Message } from '@parley/protocol'
import { partsOf } from '@parley/runtime/parts'
import { messageTerms } from './tsearch.ts'

/** The part of a message that the index needs. */
export type Indexable = Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'content' | 'type'> & {
  attachments: readonly { fileName: string }[]
}

/** Messages per statement: a few milliseconds of time in this process and in the database. */
const BATCH = 256

/**
 * Adds messages to the search index: their content and file names. Idempotent: a message that is indexed already is left as
 * it is. SYSTEM messages are not indexed.
 */
export async function indexForSearch(db: Queryable, messages: readonly Indexable[]): Promise<void> {
  const searchable = messages.filter(({ type }) => type !== 'SYSTEM')
  for (const batch of partsOf(searchable, BATCH)) await indexMessages(db, batch.map(termsOf))
}

function termsOf({ conversationId, seq, senderId, content, attachments }: Indexable): MessageTerms {
  const names = attachments.map(({ fileName }) => fileName)
  return { conversationId, seq, terms: messageTerms(senderId, [content, ...names]) }
}
