import type { VirtualItem } from '@tanstack/react-virtual'
import { useEffect } from 'react'
import { useChat, useStore } from '../chat/context.ts'

/** A page is asked for when so many rows are left before the end of what is held. */
const AHEAD = 12

interface PagingOptions {
  conversationId: string
  items: readonly VirtualItem[]
  count: number
  hasOlder: boolean
  hasNewer: boolean
  enabled: boolean
}

/** Loads what comes before and after the messages held, as one gets near. The same page is asked for once at a time. */
export function usePaging({ conversationId, items, count, hasOlder, hasNewer, enabled }: PagingOptions): void {
  const { client } = useChat()
  const live = useStore(client.state) === 'live'
  const first = items[0]?.index ?? 0
  const last = items.at(-1)?.index ?? 0
  const nearStart = enabled && hasOlder && first <= AHEAD
  const nearEnd = enabled && hasNewer && last >= count - 1 - AHEAD

  // `count` and `live`: after a page has come, or a connection is back, there may be more to load.
  useEffect(() => {
    if (nearStart && count >= 0 && live) client.loadOlder(conversationId).catch(() => undefined)
  }, [client, conversationId, nearStart, count, live])
  useEffect(() => {
    if (nearEnd && count >= 0 && live) client.loadNewer(conversationId).catch(() => undefined)
  }, [client, conversationId, nearEnd, count, live])
}
