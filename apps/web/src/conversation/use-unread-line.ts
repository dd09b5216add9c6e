import type { Conversation } from '@parley/client'
import { useEffect, useRef, useState } from 'react'

/**
 * Returns the seq after which messages were unread when the person started reading: when the conversation was opened, the page
 * became visible, or the connection was back. The line stays there while they read.
 * @param live whether the messages are complete
 */
export function useUnreadLine(
  { unreadCount, lastReadSeq }: Conversation,
  visible: boolean,
  live: boolean,
): number | null {
  const [after, setAfter] = useState<number | null>(() => (unreadCount > 0 ? lastReadSeq : null))
  const unread = useRef({ unreadCount, lastReadSeq })
  unread.current = { unreadCount, lastReadSeq }
  useEffect(() => {
    if (visible && live && unread.current.unreadCount > 0) setAfter(unread.current.lastReadSeq)
  }, [visible, live])
  // Remove the line when they leave: those messages are not new when they come back.
  useEffect(() => {
    if (visible) return () => setAfter(null)
  }, [visible])
  return after
}
