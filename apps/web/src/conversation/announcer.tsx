import { useEffect, useState } from 'react'
import { useChat } from '../chat/context.ts'
import { wordsOf } from '../conversations/preview.ts'

/** Tells screen readers of each new message of the conversation that is open, once. Nothing is seen of it. */
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
      {/* An element of its own for each: the same words once more are a change, too. */}
      {said !== null && <span key={said.id}>{said.words}</span>}
    </div>
  )
}
