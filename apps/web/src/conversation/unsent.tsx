import type { PendingMessage } from '@parley/client'
import { CircleAlert, Clock, CloudOff, X } from 'lucide-react'
import { useChat, useStore } from '../chat/context.ts'
import { useNetwork } from '../connection/use-network.ts'
import { RichText } from '../text/rich-text.tsx'
import { sizeOf } from '../text/sizes.ts'
import type { Upload } from '../uploads/upload-queue.ts'
import styles from './bubble.module.css'
import { FileIcon } from './file-icon.tsx'
import type { Place } from './rows.ts'

/** Returns whether unsent messages are waiting for a connection. */
function useWaits(): boolean {
  const { client } = useChat()
  const state = useStore(client.state)
  const network = useNetwork()
  return !network || state === 'offline' || state === 'connecting'
}

/** The person's own message that is not stored yet. */
export function PendingBubble({ pending, first, last }: Place & { pending: PendingMessage }) {
  const { client } = useChat()
  const waits = useWaits()
  const { clientMessageId, content, status, error } = pending
  const failed = status === 'failed'
  return (
    <article className={styles.line} data-own="true" data-first={first} data-last={last} aria-label="You, not sent yet">
      <div className={`${styles.bubble} ${failed ? styles.failed : ''}`}>
        <div className={styles.text} dir="auto">
          <RichText text={content} />
          {!failed && (
            <span className={styles.meta} dir="ltr">
              <SendingMark waits={waits} />
            </span>
          )}
        </div>
        {failed && (
          <Trouble
            why={error?.message ?? ''}
            onRetry={() => client.retry(clientMessageId)}
            onDiscard={() => client.discard(clientMessageId)}
          />
        )}
      </div>
    </article>
  )
}

function SendingMark({ waits }: { waits: boolean }) {
  const Icon = waits ? CloudOff : Clock
  const words = waits ? 'Waiting for a connection' : 'Sending'
  return <Icon width={13} height={13} role="img" aria-label={words} />
}

function Trouble({ why, onRetry, onDiscard }: { why: string; onRetry: () => void; onDiscard: () => void }) {
  return (
    <div className={styles.trouble} role="alert">
      <strong>
        <CircleAlert aria-hidden="true" />
        Not sent
      </strong>
      <span>{why}</span>
      <button type="button" onClick={onRetry}>
        Try again
      </button>
      <button type="button" onClick={onDiscard}>
        Discard
      </button>
    </div>
  )
}

/** Shown when sending failed although there is a connection. */
const TRYING = 'Not sent yet. Trying again…'

/** A file that is being uploaded. */
export function UploadBubble({ upload, first, last }: Place & { upload: Upload }) {
  const { uploads } = useChat()
  const waits = useWaits()
  const { id, file, content, previewUrl, status, sentBytes, totalBytes, error } = upload
  const failed = status === 'failed'
  return (
    <article className={styles.line} data-own="true" data-first={first} data-last={last} aria-label="You, not sent yet">
      <div className={`${styles.bubble} ${failed ? styles.failed : ''}`}>
        <div className={styles.file}>
          {previewUrl === null ? (
            <FileIcon name={file.name} type={file.type} size={file.size} />
          ) : (
            <img src={previewUrl} alt={file.name} />
          )}
          {content !== '' && (
            <p className={styles.text} dir="auto">
              {content}
            </p>
          )}
          {failed ? (
            <Trouble why={error ?? ''} onRetry={() => uploads.retry(id)} onDiscard={() => uploads.cancel(id)} />
          ) : (
            <div className={styles.progress}>
              <progress aria-label={`Uploading ${file.name}`} max={Math.max(1, totalBytes)} value={sentBytes} />
              <button
                type="button"
                className="icon-button"
                aria-label={`Cancel upload of ${file.name}`}
                onClick={() => uploads.cancel(id)}
              >
                <X aria-hidden="true" />
              </button>
              <span className={styles.meta}>
                {status === 'sending' && `${sizeOf(sentBytes)} of ${sizeOf(totalBytes)}`}
                {status === 'waiting' && (waits ? <SendingMark waits /> : error === null ? 'Waiting' : TRYING)}
              </span>
            </div>
          )}
        </div>
      </div>
    </article>
  )
}
