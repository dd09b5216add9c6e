import type { Attachment, Message } from '@parley/client'
import type { MouseEvent, ReactNode } from 'react'
import { useChat } from '../chat/context.ts'

interface DownloadLinkProps {
  message: Pick<Message, 'conversationId' | 'seq'>
  attachment: Attachment
  className: string | undefined
  /** What is seen. Words in it are the file's name first: the link is called `Download`, and these. */
  children: ReactNode
}

/**
 * Leads to a file. Its address ends after a while, which a page that stays open is not told: a click asks for the one of
 * now first, and goes by the old one where there is no answer.
 */
export function DownloadLink({ message, attachment, className, children }: DownloadLinkProps) {
  const { client } = useChat()
  const { id, fileName, url } = attachment
  const onClick = async (event: MouseEvent<HTMLAnchorElement>) => {
    // The second click, from below; or one that the browser knows better what to do with.
    if (!event.isTrusted || event.ctrlKey || event.metaKey || event.shiftKey) return
    event.preventDefault()
    const link = event.currentTarget
    await client.refreshMessage(message).catch(() => undefined)
    const { messages } = client.messages(message.conversationId).getSnapshot()
    const held = messages.find(({ seq }) => seq === message.seq)
    link.href = held?.attachments.find((one) => one.id === id)?.url ?? url
    link.click()
  }
  return (
    <a
      className={className}
      href={url}
      download={fileName}
      target="_blank"
      rel="noopener noreferrer"
      title="Download"
      onClick={(event) => void onClick(event)}
    >
      <span className="visually-hidden">Download </span>
      {children}
    </a>
  )
}
