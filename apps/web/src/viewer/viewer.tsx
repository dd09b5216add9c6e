import { Dialog } from '@base-ui/react/dialog'
import type { Attachment } from '@parley/client'
import { ChevronLeft, ChevronRight, Download, X } from 'lucide-react'
import { useState } from 'react'
import { useChat, useStore } from '../chat/context.ts'
import { isShownImage } from '../conversation/file-kinds.ts'
import { sizeOf } from '../text/sizes.ts'
import styles from './viewer.module.css'

interface ViewerProps {
  conversationId: string
  attachmentId: string
  onClose: () => void
}

/** A picture as large as the page, with the conversation's others before and after it. */
export function Viewer({ conversationId, attachmentId, onClose }: ViewerProps) {
  const { client } = useChat()
  const { messages } = useStore(client.messages(conversationId))
  const [id, setId] = useState(attachmentId)
  const pictures: Attachment[] = messages.flatMap(({ attachments }) =>
    attachments.filter(({ fileType }) => isShownImage(fileType)),
  )
  const index = pictures.findIndex((picture) => picture.id === id)
  const picture = pictures[index]
  const [previous, next] = [pictures[index - 1], pictures[index + 1]]
  if (picture === undefined) return null
  const go = (to: Attachment | undefined) => to !== undefined && setId(to.id)
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
            <a
              className={styles.button}
              href={picture.url}
              download={picture.fileName}
              target="_blank"
              rel="noopener noreferrer"
              aria-label={`Download ${picture.fileName}`}
              title="Download"
            >
              <Download aria-hidden="true" />
            </a>
            <Dialog.Close className={styles.button} aria-label="Close" title="Close">
              <X aria-hidden="true" />
            </Dialog.Close>
          </header>
          <div className={styles.stage}>
            <img key={picture.id} src={picture.url} alt={picture.fileName} />
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
