import type { Conversation, Message } from '@parley/client'

export type Delivery =
  | { readonly state: 'sent' }
  /** Everybody has read it. */
  | { readonly state: 'read'; readonly readers: readonly string[] }
  | { readonly state: 'partly'; readonly readers: readonly string[] }

/** How far one's own message has come. `readers` are the ids of the others who have read it. */
export function deliveryOf(message: Pick<Message, 'senderId' | 'readBy'>, conversation: Conversation): Delivery {
  const readers = message.readBy.filter((id) => id !== message.senderId)
  if (readers.length === 0) return { state: 'sent' }
  const others = conversation.participantCount - 1
  return readers.length >= others ? { state: 'read', readers } : { state: 'partly', readers }
}

/**
 * The newest message of those in sight, to mark as read: the last whose row lies within the visible range.
 * @param rows seq by row, undefined for rows that are no message
 */
export function newestVisible(rows: readonly (number | undefined)[], lastVisible: number): number | undefined {
  for (let index = Math.min(lastVisible, rows.length - 1); index >= 0; index--) {
    const seq = rows[index]
    if (seq !== undefined) return seq
  }
  return undefined
}
