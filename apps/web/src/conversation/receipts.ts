import type { Conversation, Message } from '@parley/client'

export type Delivery =
  | { readonly state: 'sent' }
  /** Everybody has read it. */
  | { readonly state: 'read'; readonly readers: readonly string[] }
  | { readonly state: 'partly'; readonly readers: readonly string[] }

/** Returns the delivery state of the person's own message. `readers` are the ids of the others who have read it. */
export function deliveryOf(message: Pick<Message, 'senderId' | 'readBy'>, conversation: Conversation): Delivery {
  const readers = message.readBy.filter((id) => id !== message.senderId)
  if (readers.length === 0) return { state: 'sent' }
  const others = conversation.participantCount - 1
  return readers.length >= others ? { state: 'read', readers } : { state: 'partly', readers }
}

/**
 * Returns the seq of the newest visible message, to be marked as read.
 * @param rows the seq of each row; undefined for rows that are not messages
 */
export function newestVisible(rows: readonly (number | undefined)[], lastVisible: number): number | undefined {
  for (let index = Math.min(lastVisible, rows.length - 1); index >= 0; index--) {
    const seq = rows[index]
    if (seq !== undefined) return seq
  }
  return undefined
}
