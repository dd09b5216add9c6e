import { extname } from 'node:path'
import { fileTypeFromBuffer } from 'file-type'

/** The number of bytes from which a file's type is detected. */
export const HEAD_BYTES = 64 * 1024

const UNKNOWN = 'application/octet-stream'

/** Text formats have no signature, so the file's extension tells them apart. All of these are harmless plain text. */
const TEXT_TYPES = new Map([
  ['.csv', 'text/csv'],
  ['.md', 'text/markdown'],
  ['.json', 'application/json'],
  ['.ics', 'text/calendar'],
  ['.vcf', 'text/vcard'],
  ['.css', 'text/css'],
  ['.js', 'text/javascript'],
  ['.mjs', 'text/javascript'],
])

/**
 * Detects a file's media type from its first bytes (up to {@link HEAD_BYTES}). The client's claim is ignored; the name only
 * distinguishes text formats.
 */
export async function sniffType(head: Uint8Array, fileName: string): Promise<string> {
  const found = await fileTypeFromBuffer(head).catch(() => undefined)
  if (found === undefined || found.mime === 'application/xml') return textType(head, fileName)
  const mime = found.mime.split(';', 1)[0] ?? found.mime
  if (mime === 'video/webm' && !hasVideoTrack(head)) return 'audio/webm'
  if (mime === 'video/mp4' && hasSoundOnly(head)) return 'audio/mp4'
  return mime
}

function textType(head: Uint8Array, fileName: string): string {
  const text = decode(head)
  if (text === undefined) return UNKNOWN
  // Browsers that sniff also look only at the beginning (WHATWG MIME Sniffing, section 7.1); comments may precede it.
  const start = text
    .replace(/^\uFEFF/, '')
    .replace(/^(\s+|<!--[\s\S]*?-->|<\?[\s\S]*?\?>)+/, '')
    .slice(0, 1_024)
    .toLowerCase()
  if (/^(<!doctype\s+svg|<svg[\s>:])/.test(start) || /^<!doctype[\s\S]*?<svg[\s>]/.test(start)) return 'image/svg+xml'
  if (/^<(!doctype\s+html|html|head|body|script|iframe|h1|div|font|table|a|style|title|b|br|p)[\s>/]/.test(start))
    return 'text/html'
  const extension = extname(fileName).toLowerCase()
  if (/^\.(x?html?|xht|shtml)$/.test(extension)) return 'text/html'
  if (extension === '.svg') return 'image/svg+xml'
  if (/^\s*<\?xml\s/.test(text.replace(/^\uFEFF/, '')) || extension === '.xml') return 'application/xml'
  return TEXT_TYPES.get(extension) ?? 'text/plain'
}

/** Decodes UTF-8 (or UTF-16 with a byte order mark); undefined if it is not text. The last character may be cut off. */
function decode(head: Uint8Array): string | undefined {
  const encoding =
    head[0] === 0xff && head[1] === 0xfe ? 'utf-16le' : head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8'
  try {
    const text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(head, { stream: true })
    // Control characters other than white space indicate binary data.
    return /[^\P{Cc}\t\n\v\f\r]/u.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/** Browsers record audio in the same containers as video. Matroska names the codec of each track, such as `V_VP9`. */
function hasVideoTrack(head: Uint8Array): boolean {
  return /V_(VP8|VP9|AV1|MPEG|THEORA|MS)/.test(Buffer.from(head).toString('latin1'))
}

/** An MP4 names the handler of each track; if the list of tracks is not at the beginning, this returns false. */
function hasSoundOnly(head: Uint8Array): boolean {
  const handlers = [
    ...Buffer.from(head)
      .toString('latin1')
      .matchAll(/hdlr[\s\S]{8}(\w{4})/g),
  ].map((match) => match[1])
  return handlers.includes('soun') && !handlers.includes('vide')
}
