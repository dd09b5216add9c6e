import {
  File,
  FileArchive,
  FileCode,
  FileImage,
  FileMusic,
  FileSpreadsheet,
  FileText,
  FileType,
  FileVideo,
  type LucideIcon,
} from 'lucide-react'
import { sizeOf } from '../text/sizes.ts'
import styles from './attachments.module.css'
import { type FileKind, kindOf } from './file-kinds.ts'

const ICONS: Readonly<Record<FileKind, LucideIcon>> = {
  image: FileImage,
  video: FileVideo,
  audio: FileMusic,
  pdf: FileType,
  archive: FileArchive,
  table: FileSpreadsheet,
  code: FileCode,
  text: FileText,
  file: File,
}

/** A file's icon, name and size. */
export function FileIcon({ name, type, size }: { name: string; type: string; size: number }) {
  const Icon = ICONS[kindOf(type, name)]
  return (
    <span className={styles.card}>
      <span className={styles.icon}>
        <Icon aria-hidden="true" />
      </span>
      <span className={styles.name} dir="auto">
        {name}
      </span>
      <span className={styles.size}>{sizeOf(size)}</span>
    </span>
  )
}
