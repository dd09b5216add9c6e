import type { Attachment, Message } from '@parley/client'
import type { MouseEvent, ReactNode } from 'react'
import { useChat } from '../chat/context.ts'

interface DownloadLinkProps {
  message: Pick<Message, 'conversationId' | 'seq'>
  attachment: Attachment
  className: string | undefined
  /** The visible content, which starts with the file's name: the link's accessible name is `Download` plus its text. */
  children: ReactNode
}

/**
 * A link to a file. Its URL expires while the page stays open, so a click first fetches the current one, and falls back to the
 * old one if that fails.
 */
export function DownloadLink({ message, attachment, className, children }: DownloadLinkProps) {
  const { client } = useChat()
  const { id, fileName, url } = attachment
  const onClick = async (event: MouseEvent<HTMLAnchorElement>) => {
    // Let the browser handle the second click, made below, and clicks with modifier keys.
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
