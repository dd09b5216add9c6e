import { X } from 'lucide-react'
import { useEffect, useState } from 'react'
import { FileIcon } from './file-icon.tsx'
import { isShownImage } from './file-kinds.ts'
import styles from './tray.module.css'

/** A chosen file. It has an id because the same file may be chosen twice. */
export interface ChosenFile {
  id: string
  file: File
}

interface TrayProps {
  files: readonly ChosenFile[]
  onRemove: (id: string) => void
}

/** The chosen files, which are sent with the next message. */
export function Tray({ files, onRemove }: TrayProps) {
  if (files.length === 0) return null
  return (
    <ul className={styles.tray} aria-label="Files to send">
      {files.map(({ id, file }) => (
        <li key={id}>
          {isShownImage(file.type) ? (
            <Thumbnail file={file} />
          ) : (
            <FileIcon name={file.name} type={file.type} size={file.size} />
          )}
          <button type="button" aria-label={`Remove ${file.name}`} onClick={() => onRemove(id)}>
            <X aria-hidden="true" />
          </button>
        </li>
      ))}
    </ul>
  )
}

function Thumbnail({ file }: { file: File }) {
  const [url, setUrl] = useState<string | null>(null)
  useEffect(() => {
    const made = URL.createObjectURL(file)
    setUrl(made)
    return () => URL.revokeObjectURL(made)
  }, [file])
  return url === null ? null : <img src={url} alt={file.name} />
}
