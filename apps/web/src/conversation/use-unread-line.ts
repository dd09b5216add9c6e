import type { Conversation } from '@parley/client'
import { useEffect, useRef, useState } from 'react'

/**
 * The seq after which messages were unread when the person began to look: where the conversation was opened, where the page
 * came back into sight, or where there was a connection again. The line stays there while they read on.
 * @param live nothing is missing
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
  // What was new to them is not new when they come back.
  useEffect(() => {
    if (visible) return () => setAfter(null)
  }, [visible])
  return after
}
