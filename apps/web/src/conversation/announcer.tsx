import { useEffect, useState } from 'react'
import { useChat } from '../chat/context.ts'
import { wordsOf } from '../conversations/preview.ts'

/** Tells screen readers of each new message of the conversation that is open, once. Nothing is seen of it. */
export function Announcer({ conversationId, me }: { conversationId: string; me: string }) {
  const { client } = useChat()
  const [said, setSaid] = useState('')
  useEffect(
    () =>
      client.on('message', (message) => {
        if (message.conversationId !== conversationId || message.senderId === me) return
        const words = wordsOf(message)
        setSaid(message.type === 'SYSTEM' ? words : `${message.sender.fullName}: ${words}`)
      }),
    [client, conversationId, me],
  )
  return (
    <div className="visually-hidden" aria-live="polite">
      {said}
    </div>
  )
}
