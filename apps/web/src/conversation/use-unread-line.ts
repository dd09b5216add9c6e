import type { Conversation } from '@parley/client'
import { useEffect, useRef, useState } from 'react'

/**
 * The seq after which messages were unread when the person began to look: where the conversation was opened, or where
 * the page came back into sight. The line stays there while they read on.
 */
export function useUnreadLine({ unreadCount, lastReadSeq }: Conversation, visible: boolean): number | null {
  const [after, setAfter] = useState<number | null>(() => (unreadCount > 0 ? lastReadSeq : null))
  const wasVisible = useRef(visible)
  const unread = useRef({ unreadCount, lastReadSeq })
  unread.current = { unreadCount, lastReadSeq }
  useEffect(() => {
    const came = visible && !wasVisible.current
    wasVisible.current = visible
    if (came) setAfter(unread.current.unreadCount > 0 ? unread.current.lastReadSeq : null)
  }, [visible])
  return after
}
