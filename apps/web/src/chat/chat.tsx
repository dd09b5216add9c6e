import { MessageCircle } from 'lucide-react'
import { lazy, Suspense, useEffect, useRef } from 'react'
import { hrefOf, useRoute } from '../app/route.ts'
import { Sidebar } from '../conversations/sidebar.tsx'
import styles from './chat.module.css'
import { DialogProvider } from './dialogs.tsx'
import { loadParts, parts } from './parts.ts'
import { UnreadBadge } from './unread-badge.tsx'

const ConversationView = lazy(() => parts.conversation().then((module) => ({ default: module.ConversationView })))
const DevicePush = lazy(() => parts.push().then((module) => ({ default: module.DevicePush })))

/** The list and the open conversation; on a phone only one of the two. */
export function Chat() {
  const { conversationId, seq } = useRoute()
  const isOpen = conversationId !== null

  // Load the other parts while the first list is shown, so that the first click need not wait.
  useEffect(loadParts, [])

  // Back at the list, restore the focus: otherwise keyboard and screen reader users would start over at the top.
  const before = useRef(conversationId)
  useEffect(() => {
    if (conversationId === null && before.current !== null) {
      document.querySelector<HTMLElement>(`nav a[href="${hrefOf(before.current)}"]`)?.focus()
    }
    before.current = conversationId
  }, [conversationId])

  return (
    <DialogProvider>
      {/* If no conversation is open, the list is the page's main content; on a phone there is nothing else. */}
      <div className={styles.chat} data-open={isOpen} role={isOpen ? undefined : 'main'}>
        <Sidebar openId={conversationId} />
        {conversationId === null ? (
          <div className={styles.empty}>
            <MessageCircle aria-hidden="true" strokeWidth={1.5} />
            <p>Choose a conversation, or start a new one.</p>
          </div>
        ) : (
          <Suspense fallback={<main className={styles.empty} aria-busy="true" />}>
            <ConversationView key={conversationId} conversationId={conversationId} targetSeq={seq} />
          </Suspense>
        )}
      </div>
      <UnreadBadge />
      <Suspense fallback={null}>
        <DevicePush openId={conversationId} />
      </Suspense>
    </DialogProvider>
  )
}
