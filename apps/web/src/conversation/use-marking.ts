import type { Message } from '@parley/client'
import { useEffect, useMemo } from 'react'
import { useChat } from '../chat/context.ts'
import { newestVisible } from './receipts.ts'
import type { Row } from './rows.ts'

interface MarkingOptions {
  conversationId: string
  rows: readonly Row[]
  messages: readonly Message[]
  /** Index of the last visible row; -1 if there is none. */
  lastVisible: number
  /** Whether the page is visible, and the history is complete and scrolled to where it opens. */
  enabled: boolean
}

/** Marks visible messages as read. */
export function useMarking({ conversationId, rows, messages, lastVisible, enabled }: MarkingOptions): void {
  const { client } = useChat()
  const seqs = useMemo(() => rows.map((row) => ('message' in row ? row.message.seq : undefined)), [rows])
  const newest = enabled ? newestVisible(seqs, lastVisible) : undefined
  const message = newest === undefined ? undefined : messages[newest - (messages[0]?.seq ?? 0)]
  useEffect(() => {
    if (message !== undefined) client.markAsRead(conversationId, message)
  }, [client, conversationId, message])
}
