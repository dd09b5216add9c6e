export type FileKind = 'image' | 'video' | 'audio' | 'pdf' | 'archive' | 'table' | 'code' | 'text' | 'file'

const BY_ENDING: Readonly<Record<string, FileKind>> = {
  pdf: 'pdf',
  zip: 'archive',
  gz: 'archive',
  tar: 'archive',
  '7z': 'archive',
  rar: 'archive',
  csv: 'table',
  xls: 'table',
  xlsx: 'table',
  ods: 'table',
  json: 'code',
  js: 'code',
  ts: 'code',
  html: 'code',
  css: 'code',
  py: 'code',
  txt: 'text',
  md: 'text',
  doc: 'text',
  docx: 'text',
  odt: 'text',
}

/** Returns a file's kind, for its icon: by its media type, otherwise by its file extension. */
export function kindOf(type: string, name: string): FileKind {
  const [main] = type.split('/')
  if (main === 'image' || main === 'video' || main === 'audio') return main
  const ending = name.slice(name.lastIndexOf('.') + 1).toLowerCase()
  return Object.hasOwn(BY_ENDING, ending) ? (BY_ENDING[ending] ?? 'file') : 'file'
}

/** Media types that every browser shows in an `<img>`. */
const SHOWN = new Set(['image/png', 'image/jpeg', 'image/gif', 'image/webp', 'image/avif'])

/** Returns whether files of this media type are shown as pictures. All others, including SVG, are cards to download. */
export function isShownImage(type: string): boolean {
  return SHOWN.has(type)
}

/**
 * Returns the size at which a picture is shown: its own size, scaled down to `max`. Known before the picture has loaded, so that
 * the layout does not shift.
 */
export function fitted(
  width = 320,
  height = 240,
  max = { width: 320, height: 320 },
): { width: number; height: number } {
  const scale = Math.min(1, max.width / width, max.height / height)
  return { width: Math.max(48, Math.round(width * scale)), height: Math.max(48, Math.round(height * scale)) }
}
