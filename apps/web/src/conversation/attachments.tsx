import type { Attachment, Message } from '@parley/client'
import { Download } from 'lucide-react'
import { useState } from 'react'
import { useDialog } from '../chat/dialogs.tsx'
import styles from './attachments.module.css'
import { DownloadLink } from './download-link.tsx'
import { FileIcon } from './file-icon.tsx'
import { fitted, isShownImage } from './file-kinds.ts'
import { useRefresh } from './use-refresh.ts'

/** A message's files: pictures, players, and cards for all other files. */
export function Attachments({ message }: { message: Message }) {
  const dialog = useDialog()
  const refresh = useRefresh()
  return (
    <div className={styles.files}>
      {message.attachments.map((attachment) => (
        <AttachmentView
          key={attachment.id}
          message={message}
          attachment={attachment}
          onView={() => dialog({ kind: 'viewer', conversationId: message.conversationId, attachmentId: attachment.id })}
          onExpired={() => refresh(message)}
        />
      ))}
    </div>
  )
}

interface AttachmentViewProps {
  message: Message
  attachment: Attachment
  onView: () => void
  onExpired: () => void
}

function AttachmentView({ message, attachment, onView, onExpired }: AttachmentViewProps) {
  const { fileName, fileSize, fileType, url } = attachment
  /** The URL that could not be played: it has expired, or this browser does not support the format. */
  const [unplayable, setUnplayable] = useState<string | null>(null)
  if (isShownImage(fileType)) return <Picture attachment={attachment} onView={onView} onExpired={onExpired} />
  const playable = unplayable !== url
  const player = {
    src: url,
    'aria-label': fileName,
    controls: true,
    preload: 'metadata',
    onError: () => {
      setUnplayable(url)
      onExpired()
    },
  } as const
  if (playable && fileType.startsWith('video/')) {
    return (
      <video className={styles.video} {...player}>
        <track kind="captions" />
      </video>
    )
  }
  if (playable && fileType.startsWith('audio/')) {
    return (
      <div className={styles.audio}>
        <span dir="auto">{fileName}</span>
        <audio {...player}>
          <track kind="captions" />
        </audio>
      </div>
    )
  }
  return (
    <DownloadLink message={message} attachment={attachment} className={styles.link}>
      <FileIcon name={fileName} type={fileType} size={fileSize} />
      <Download aria-hidden="true" />
    </DownloadLink>
  )
}

function Picture({ attachment, onView, onExpired }: Omit<AttachmentViewProps, 'message'>) {
  const { fileName, url, width, height, preview } = attachment
  const [loaded, setLoaded] = useState(false)
  const size = fitted(width, height)
  return (
    <button
      type="button"
      className={styles.picture}
      aria-label={`View ${fileName}`}
      style={{ width: size.width, aspectRatio: `${size.width} / ${size.height}` }}
      onClick={onView}
    >
      {preview !== undefined && !loaded && <img className={styles.preview} src={preview} alt="" />}
      <img
        src={url}
        alt={fileName}
        width={size.width}
        height={size.height}
        loading="lazy"
        data-loaded={loaded}
        onLoad={() => setLoaded(true)}
        onError={onExpired}
      />
    </button>
  )
}
