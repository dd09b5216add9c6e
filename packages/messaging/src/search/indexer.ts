import { indexMessages, type MessageTerms, type Queryable } from '@parley/db'
import type { Message } from '@parley/protocol'
import { partsOf } from '@parley/runtime/parts'
import { messageTerms } from './tsearch.ts'

/** What the index needs of a message. */
export type Indexable = Pick<Message, 'conversationId' | 'seq' | 'senderId' | 'content' | 'type'> & {
  attachments: readonly { fileName: string }[]
}

/** Messages of one statement: a few milliseconds of this process's time and of the database's. */
const BATCH = 256

/**
 * Puts messages into the search index: their content and the names of their files. Safe to run again for the same
 * message, which then stays as it is. SYSTEM messages are not searched.
 */
export async function indexForSearch(db: Queryable, messages: readonly Indexable[]): Promise<void> {
  const found = messages.filter(({ type }) => type !== 'SYSTEM')
  for (const some of partsOf(found, BATCH)) await indexMessages(db, some.map(termsOf))
}

function termsOf({ conversationId, seq, senderId, content, attachments }: Indexable): MessageTerms {
  const names = attachments.map(({ fileName }) => fileName)
  return { conversationId, seq, terms: messageTerms(senderId, [content, ...names]) }
}
