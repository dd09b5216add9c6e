import { extname } from 'node:path'
import { fileTypeFromBuffer } from 'file-type'

/** How many bytes of its beginning a file's type is found out from. */
export const HEAD_BYTES = 64 * 1024

const UNKNOWN = 'application/octet-stream'

/** Text has no signature: which text it is, its name may say. What is in here is plain text under another name. */
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
 * A file's media type from its first bytes (up to {@link HEAD_BYTES}). What a client says of it is not asked; the name
 * tells only one kind of text from another.
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
  // Browsers that guess look at the beginning only, too (WHATWG MIME Sniffing, section 7.1); comments may come first.
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

/** The bytes as UTF-8 (or UTF-16 that says so), undefined where they are no text. A character may be cut off at the end. */
function decode(head: Uint8Array): string | undefined {
  const encoding =
    head[0] === 0xff && head[1] === 0xfe ? 'utf-16le' : head[0] === 0xfe && head[1] === 0xff ? 'utf-16be' : 'utf-8'
  try {
    const text = new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(head, { stream: true })
    // Binary data is known by control characters other than white space.
    return /[^\P{Cc}\t\n\v\f\r]/u.test(text) ? undefined : text
  } catch {
    return undefined
  }
}

/** A browser's recording of sound is a WebM or MP4 like one of video. Matroska names the codec of each track: `V_VP9`. */
function hasVideoTrack(head: Uint8Array): boolean {
  return /V_(VP8|VP9|AV1|MPEG|THEORA|MS)/.test(Buffer.from(head).toString('latin1'))
}

/** An MP4 names the handler of each track; where the list of tracks is not at the beginning this cannot be told. */
function hasSoundOnly(head: Uint8Array): boolean {
  const handlers = [
    ...Buffer.from(head)
      .toString('latin1')
      .matchAll(/hdlr[\s\S]{8}(\w{4})/g),
  ].map((match) => match[1])
  return handlers.includes('soun') && !handlers.includes('vide')
}
