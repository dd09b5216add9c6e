import type { VirtualItem } from '@tanstack/react-virtual'
import { useEffect } from 'react'
import { useChat, useStore } from '../chat/context.ts'

/** The next page is loaded when this many rows are left. */
const AHEAD = 12

interface PagingOptions {
  conversationId: string
  items: readonly VirtualItem[]
  count: number
  hasOlder: boolean
  hasNewer: boolean
  enabled: boolean
}

/** Loads older and newer pages when the person scrolls near the ends. The client never requests the same page twice at once. */
export function usePaging({ conversationId, items, count, hasOlder, hasNewer, enabled }: PagingOptions): void {
  const { client } = useChat()
  const live = useStore(client.state) === 'live'
  const first = items[0]?.index ?? 0
  const last = items.at(-1)?.index ?? 0
  const nearStart = enabled && hasOlder && first <= AHEAD
  const nearEnd = enabled && hasNewer && last >= count - 1 - AHEAD

  // `count` and `live`: there may be more to load after a page has arrived or the connection is back.
  useEffect(() => {
    if (nearStart && count >= 0 && live) client.loadOlder(conversationId).catch(() => undefined)
  }, [client, conversationId, nearStart, count, live])
  useEffect(() => {
    if (nearEnd && count >= 0 && live) client.loadNewer(conversationId).catch(() => undefined)
  }, [client, conversationId, nearEnd, count, live])
}
