import { ArrowLeft, Info, Paperclip, Search } from 'lucide-react'
import { type DragEvent, useEffect, useRef, useState } from 'react'
import { hasKeyboard } from '../app/pointer.ts'
import { useChat, useStore } from '../chat/context.ts'
import { useDialog } from '../chat/dialogs.tsx'
import { ConnectionBar } from '../connection/connection-bar.tsx'
import { useNow } from '../conversations/use-now.ts'
import { Avatar } from '../people/avatar.tsx'
import { partnerOf, titleOf } from '../people/names.ts'
import { Composer, type ComposerHandle } from './composer.tsx'
import styles from './conversation-view.module.css'
import { History } from './history.tsx'
import { subtitleOf } from './subtitle.ts'
import { TypingLine } from './typing-line.tsx'

interface ViewProps {
  conversationId: string
  /** The message to scroll to, if any. */
  targetSeq: number | null
}

/** One conversation: its header, history and composer. */
export function ConversationView({ conversationId, targetSeq }: ViewProps) {
  const { client } = useChat()
  const conversations = useStore(client.conversations)
  const conversation = conversations.find(({ id }) => id === conversationId)
  const me = client.userId ?? ''
  const composer = useRef<ComposerHandle>(null)
  const missing = useMissing(conversationId, conversation !== undefined)
  const drop = useFileDrop((files) => composer.current?.attach(files))

  if (conversation === undefined) {
    return (
      <main className={styles.absent} aria-busy={!missing}>
        <div className={styles.connection}>
          <ConnectionBar />
        </div>
        {missing && <p role="alert">This conversation does not exist, or you are no longer in it.</p>}
        <a href="#/" className={missing ? undefined : styles.back}>
          Back to conversations
        </a>
      </main>
    )
  }
  return (
    <main className={styles.view} {...drop.handlers}>
      <Header conversationId={conversationId} />
      {/* On a phone the list, which usually shows it, is hidden. */}
      <div className={styles.connection}>
        <ConnectionBar />
      </div>
      <History key={conversationId} conversation={conversation} me={me} targetSeq={targetSeq} />
      <TypingLine conversationId={conversationId} />
      <Composer ref={composer} conversationId={conversationId} me={me} />
      {drop.over && (
        <div className={styles.drop} aria-hidden="true">
          <Paperclip />
          Drop files to attach them
        </div>
      )}
    </main>
  )
}

/** Fetches when the other person was last seen, which a sync does not include. */
function useLastSeen(conversationId: string): void {
  const { client } = useChat()
  const live = useStore(client.state) === 'live'
  useEffect(() => {
    const conversation = client.conversation(conversationId)
    const partner = conversation && partnerOf(conversation, client.userId ?? '')
    if (!live || partner === undefined || partner.isOnline || partner.lastSeen !== null) return
    client.fetchConversation(conversationId).catch(() => undefined)
  }, [client, conversationId, live])
}

function Header({ conversationId }: { conversationId: string }) {
  const { client } = useChat()
  const dialog = useDialog()
  const now = useNow(30_000)
  useLastSeen(conversationId)
  const heading = useRef<HTMLHeadingElement>(null)
  // With a keyboard the composer has the focus; otherwise the heading, which screen readers then read first.
  useEffect(() => {
    if (!hasKeyboard()) heading.current?.focus({ preventScroll: true })
  }, [])
  const conversation = useStore(client.conversations).find(({ id }) => id === conversationId)
  if (conversation === undefined) return null
  const me = client.userId ?? ''
  const partner = partnerOf(conversation, me)
  const title = titleOf(conversation, me)
  return (
    <header className={styles.header}>
      <a className={`icon-button ${styles.back}`} href="#/" aria-label="Back to conversations">
        <ArrowLeft aria-hidden="true" />
      </a>
      <Avatar
        id={partner?.id ?? conversation.id}
        name={title}
        size="m"
        group={conversation.type === 'GROUP'}
        photo={partner?.profilePhoto ?? null}
        online={partner?.isOnline ?? false}
      />
      <div className={styles.who}>
        <h1 ref={heading} tabIndex={-1} dir="auto">
          {title}
        </h1>
        <p>{subtitleOf(conversation, me, now)}</p>
      </div>
      <button
        type="button"
        className="icon-button"
        aria-label="Search in this conversation"
        title="Search in this conversation"
        onClick={() => dialog({ kind: 'search', conversationId })}
      >
        <Search aria-hidden="true" />
      </button>
      <button
        type="button"
        className="icon-button"
        aria-label="Conversation details"
        title="Conversation details"
        onClick={() => dialog({ kind: 'details', conversationId })}
      >
        <Info aria-hidden="true" />
      </button>
    </header>
  )
}

/** Returns whether a conversation that is not in the list is known not to exist. Asks the server once the client is live. */
function useMissing(conversationId: string, known: boolean): boolean {
  const { client } = useChat()
  const state = useStore(client.state)
  const [missing, setMissing] = useState(false)
  /** Whether it was in the list earlier, so the person has left or was removed. */
  const [was, setWas] = useState(known)
  if (known && !was) setWas(true)
  useEffect(() => {
    if (known || was || state !== 'live') return
    let current = true
    client.fetchConversation(conversationId).then(
      () => undefined,
      () => current && setMissing(true),
    )
    return () => {
      current = false
    }
  }, [client, conversationId, known, was, state])
  return (was || missing) && !known
}

/** Handles files dragged onto an element. */
function useFileDrop(onFiles: (files: File[]) => void) {
  const [over, setOver] = useState(false)
  // Children fire enter and leave, too, so count them.
  const depth = useRef(0)
  const hasFiles = (event: DragEvent) => event.dataTransfer.types.includes('Files')
  const set = (change: number) => {
    depth.current = change === 0 ? 0 : Math.max(0, depth.current + change)
    setOver(depth.current > 0)
  }
  const handlers = {
    onDragEnter: (event: DragEvent) => hasFiles(event) && set(1),
    onDragLeave: (event: DragEvent) => hasFiles(event) && set(-1),
    onDragOver: (event: DragEvent) => {
      if (hasFiles(event)) event.preventDefault()
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      set(0)
      onFiles([...event.dataTransfer.files])
    },
  }
  return { over, handlers }
}
