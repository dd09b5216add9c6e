import { Search, Settings, SquarePen } from 'lucide-react'
import { lazy, Suspense, useDeferredValue, useState } from 'react'
import { useChat, useStore } from '../chat/context.ts'
import { useDialog } from '../chat/dialogs.tsx'
import { parts } from '../chat/parts.ts'
import { ConnectionBar } from '../connection/connection-bar.tsx'
import { titleOf } from '../people/names.ts'
import { ConversationRow } from './conversation-row.tsx'
import { filterConversations } from './preview.ts'
import styles from './sidebar.module.css'
import { useNow } from './use-now.ts'

const SettingsMenu = lazy(() => parts.settings().then((module) => ({ default: module.SettingsMenu })))

/** Rows shown at first, and added by each click on "Show more": rendering thousands at once would be slow. */
const SHOWN = 100

/** The list of conversations, with its header and filter. */
export function Sidebar({ openId }: { openId: string | null }) {
  const { client } = useChat()
  const dialog = useDialog()
  const conversations = useStore(client.conversations)
  const state = useStore(client.state)
  const [text, setText] = useState('')
  const wanted = useDeferredValue(text)
  const [shown, setShown] = useState(SHOWN)
  const now = useNow(60_000)
  const me = client.userId ?? ''
  // If a conversation is open, its heading is the page's h1.
  const Heading = openId === null ? 'h1' : 'h2'
  const found = filterConversations(conversations, wanted, (conversation) => titleOf(conversation, me))
  const empty = found.length === 0 && (wanted !== '' || state === 'live')

  return (
    <nav className={styles.sidebar} aria-label="Conversations">
      <header className={styles.top}>
        <Heading>Chats</Heading>
        <button
          type="button"
          className="icon-button"
          aria-label="Search messages"
          title="Search messages"
          onClick={() => dialog({ kind: 'search', conversationId: null })}
        >
          <Search aria-hidden="true" />
        </button>
        <button
          type="button"
          className="icon-button"
          aria-label="New conversation"
          title="New conversation"
          onClick={() => dialog({ kind: 'new' })}
        >
          <SquarePen aria-hidden="true" />
        </button>
        <Suspense
          fallback={
            <button type="button" className="icon-button" aria-label="Settings" disabled>
              <Settings aria-hidden="true" />
            </button>
          }
        >
          <SettingsMenu />
        </Suspense>
      </header>
      <div className={styles.filter}>
        <Search aria-hidden="true" />
        <input
          type="search"
          aria-label="Filter conversations"
          placeholder="Filter conversations"
          value={text}
          onChange={(event) => setText(event.target.value)}
        />
      </div>
      <ConnectionBar />
      <ul className={styles.list} aria-label="Conversations" aria-busy={conversations.length === 0 && state !== 'live'}>
        {found.slice(0, shown).map((conversation) => (
          <ConversationRow
            key={conversation.id}
            conversation={conversation}
            me={me}
            open={conversation.id === openId}
            now={now}
          />
        ))}
        {found.length > shown && (
          <li className={styles.more}>
            <button type="button" className="secondary" onClick={() => setShown((number) => number + SHOWN)}>
              Show more
            </button>
          </li>
        )}
      </ul>
      <div className={styles.none}>
        {/* Always rendered: screen readers announce only changes in an existing element. */}
        <p role="status">{empty && (wanted === '' ? 'No conversations yet.' : 'No matching conversations.')}</p>
        {empty && wanted === '' && (
          <button type="button" className="primary" onClick={() => dialog({ kind: 'new' })}>
            Start a conversation
          </button>
        )}
      </div>
    </nav>
  )
}
