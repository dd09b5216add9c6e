import { Dialog } from '@base-ui/react/dialog'
import type { Attachment, Message } from '@parley/client'
import { ChevronLeft, ChevronRight, Download, X } from 'lucide-react'
import { useState } from 'react'
import { useChat, useStore } from '../chat/context.ts'
import { DownloadLink } from '../conversation/download-link.tsx'
import { isShownImage } from '../conversation/file-kinds.ts'
import { useRefresh } from '../conversation/use-refresh.ts'
import { sizeOf } from '../text/sizes.ts'
import styles from './viewer.module.css'

/** A picture and its message. */
interface Shown {
  message: Message
  attachment: Attachment
}

interface ViewerProps {
  conversationId: string
  attachmentId: string
  onClose: () => void
}

/** A full-page picture, with navigation to the conversation's other pictures. */
export function Viewer({ conversationId, attachmentId, onClose }: ViewerProps) {
  const { client } = useChat()
  const { messages } = useStore(client.messages(conversationId))
  const [id, setId] = useState(attachmentId)
  const refresh = useRefresh()
  const pictures = messages.flatMap((message): Shown[] =>
    message.attachments.filter(({ fileType }) => isShownImage(fileType)).map((attachment) => ({ message, attachment })),
  )
  const index = pictures.findIndex(({ attachment }) => attachment.id === id)
  const shown = pictures[index]
  const [previous, next] = [pictures[index - 1], pictures[index + 1]]
  if (shown === undefined) return null
  const { message, attachment: picture } = shown
  const go = (to: Shown | undefined) => to !== undefined && setId(to.attachment.id)
  return (
    <Dialog.Root open onOpenChange={(open) => !open && onClose()}>
      <Dialog.Portal>
        <Dialog.Backdrop className={styles.backdrop} />
        <Dialog.Popup
          className={styles.popup}
          onKeyDown={(event) => {
            if (event.key === 'ArrowLeft') go(previous)
            if (event.key === 'ArrowRight') go(next)
          }}
        >
          <header className={styles.header}>
            <Dialog.Title className={styles.title} dir="auto">
              {picture.fileName}
            </Dialog.Title>
            <span>{sizeOf(picture.fileSize)}</span>
            <DownloadLink message={message} attachment={picture} className={styles.button}>
              <span className="visually-hidden">{picture.fileName}</span>
              <Download aria-hidden="true" />
            </DownloadLink>
            <Dialog.Close className={styles.button} aria-label="Close" title="Close">
              <X aria-hidden="true" />
            </Dialog.Close>
          </header>
          <div className={styles.stage}>
            <img key={picture.id} src={picture.url} alt={picture.fileName} onError={() => refresh(message)} />
          </div>
          {pictures.length > 1 && (
            <>
              <button
                type="button"
                className={`${styles.button} ${styles.previous}`}
                aria-label="Previous"
                disabled={previous === undefined}
                onClick={() => go(previous)}
              >
                <ChevronLeft aria-hidden="true" />
              </button>
              <button
                type="button"
                className={`${styles.button} ${styles.next}`}
                aria-label="Next"
                disabled={next === undefined}
                onClick={() => go(next)}
              >
                <ChevronRight aria-hidden="true" />
              </button>
            </>
          )}
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
