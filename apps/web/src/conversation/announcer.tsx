import { useEffect, useState } from 'react'
import { useChat } from '../chat/context.ts'
import { wordsOf } from '../conversations/preview.ts'

/** Announces each new message in the open conversation to screen readers, once. Visually hidden. */
export function Announcer({ conversationId, me }: { conversationId: string; me: string }) {
  const { client } = useChat()
  const [said, setSaid] = useState<{ id: string; words: string } | null>(null)
  useEffect(
    () =>
      client.on('message', (message) => {
        if (message.conversationId !== conversationId || message.senderId === me) return
        const words = wordsOf(message)
        setSaid({
          id: message.id,
          words: message.type === 'SYSTEM' ? words : `${message.sender.fullName}: ${words}`,
        })
      }),
    [client, conversationId, me],
  )
  return (
    <div className="visually-hidden" aria-live="polite">
      {/* A new element for each message, so that repeated words are announced again. */}
      {said !== null && <span key={said.id}>{said.words}</span>}
    </div>
  )
}
