import { LIMITS } from '@parley/protocol'

/** Letters that turn the direction of what follows: with them, `exe.jpg` can be shown for what is `gpj.exe`. */
const BIDI_CONTROLS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g
/** Control characters, line and paragraph separators, the byte order mark and what is no character. */
const INVISIBLE = /[\p{Cc}\u2028\u2029\uFEFF\uFFFE\uFFFF]/gu
/** Not allowed in names on Windows, and some of them mean something to shells. */
const RESERVED = /[<>:"|?*]/g
/** Names that Windows takes for devices, with whatever extension. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/**
 * A client's name for a file, made safe to store, to show and to save under: the last part of a path, without control
 * characters, without tricks of direction, at most 255 bytes of UTF-8. Letters of every script stay, and so do joiners,
 * which Indic scripts and emoji need.
 */
export function cleanFileName(name: string): string {
  const last = name
    .toWellFormed()
    .normalize('NFC')
    .replace(BIDI_CONTROLS, '')
    .replace(INVISIBLE, '')
    .split(/[/\\]/)
    .at(-1)
  const plain = (last ?? '')
    .replace(RESERVED, '_')
    .replace(/\s+/g, ' ')
    .replace(/^[. ]+|[. ]+$/g, '')
  const safe = DEVICES.test(plain) ? `_${plain}` : plain
  return safe === '' ? 'file' : shorten(safe, LIMITS.fileNameBytes)
}

/** Cuts whole characters before the extension, so that the rest still says what kind of file it is. */
function shorten(name: string, bytes: number): string {
  if (Buffer.byteLength(name) <= bytes) return name
  const extension = /\.[^.\s]{1,16}$/.exec(name)?.[0] ?? ''
  const room = bytes - Buffer.byteLength(extension)
  let stem = ''
  let used = 0
  for (const { segment } of new Intl.Segmenter().segment(name.slice(0, name.length - extension.length))) {
    used += Buffer.byteLength(segment)
    if (used > room) break
    stem += segment
  }
  return `${stem.trimEnd()}${extension}`
}
