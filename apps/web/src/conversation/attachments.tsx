import type { Attachment, Message } from '@parley/client'
import { Download } from 'lucide-react'
import { lazy, Suspense, useState } from 'react'
import { parts } from '../chat/parts.ts'
import styles from './attachments.module.css'
import { DownloadLink } from './download-link.tsx'
import { FileIcon } from './file-icon.tsx'
import { fitted, isShownImage } from './file-kinds.ts'
import { useRefresh } from './use-refresh.ts'

const Viewer = lazy(() => parts.viewer().then((module) => ({ default: module.Viewer })))

/** A message's files: pictures, players, and cards for the others. */
export function Attachments({ message }: { message: Message }) {
  const [viewed, setViewed] = useState<string | null>(null)
  const refresh = useRefresh()
  return (
    <div className={styles.files}>
      {message.attachments.map((attachment) => (
        <AttachmentView
          key={attachment.id}
          message={message}
          attachment={attachment}
          onView={() => setViewed(attachment.id)}
          onExpired={() => refresh(message)}
        />
      ))}
      {viewed !== null && (
        <Suspense fallback={null}>
          <Viewer conversationId={message.conversationId} attachmentId={viewed} onClose={() => setViewed(null)} />
        </Suspense>
      )}
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
  if (isShownImage(fileType)) return <Picture attachment={attachment} onView={onView} onExpired={onExpired} />
  if (fileType.startsWith('video/')) {
    return (
      <video className={styles.video} src={url} aria-label={fileName} controls preload="metadata" onError={onExpired}>
        <track kind="captions" />
      </video>
    )
  }
  if (fileType.startsWith('audio/')) {
    return (
      <div className={styles.audio}>
        <span dir="auto">{fileName}</span>
        <audio src={url} aria-label={fileName} controls preload="metadata" onError={onExpired}>
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
