import { byKey, type Database, findMessages, listReadMarks, type MessageKey } from '@parley/db'
import { type AttachmentLinks, type ConversationNews, type Events, presentMessage } from '@parley/messaging'

export interface RepublishDeps {
  db: Database
  events: Pick<Events, 'messages'>
  news: Pick<ConversationNews, 'created' | 'changedBefore'>
  links: AttachmentLinks
}

/**
 * Publishes again what a dead process stored but may not have published: messages, and the changes of membership behind SYSTEM
 * messages and new conversations (message 0).
 * @returns whether Redis accepted all of it
 */
export async function republish(deps: RepublishDeps, keys: readonly MessageKey[]): Promise<boolean> {
  const { db, events, news, links } = deps
  const [created, stored] = [keys.filter(({ seq }) => seq === 0), keys.filter(({ seq }) => seq > 0)]
  const marks = await listReadMarks(
    db.pool,
    stored.map(({ conversationId, seq }) => ({ conversationId, fromSeq: seq })),
  )
  const messages = (await findMessages(db.pool, stored)).map((row) => presentMessage(row, marks, links)).sort(byKey)
  const taken = await Promise.all([
    ...created.map(({ conversationId }) => news.created(conversationId)),
    events.messages(messages.filter(({ type }) => type !== 'SYSTEM')),
    ...messages.filter(({ type }) => type === 'SYSTEM').map((message) => news.changedBefore(message)),
  ])
  return !taken.includes(false)
}
