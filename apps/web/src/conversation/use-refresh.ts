import type { Message } from '@parley/client'
import { useRef } from 'react'
import { useChat } from '../chat/context.ts'

/** Returns a function that refetches a message whose file's URL may have expired, at most once a minute. */
export function useRefresh(): (message: Pick<Message, 'conversationId' | 'seq'>) => void {
  const { client } = useChat()
  const last = useRef(new Map<number, number>())
  return (message) => {
    const now = Date.now()
    if (now - (last.current.get(message.seq) ?? 0) < 60_000) return
    last.current.set(message.seq, now)
    client.refreshMessage(message).catch(() => undefined)
  }
}
