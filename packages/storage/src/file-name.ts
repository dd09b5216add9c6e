import { LIMITS } from '@parley/protocol'

/** Characters that change the direction of the text after them, which can make `gpj.exe` look like `exe.jpg`. */
const BIDI_CONTROLS = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/g
/** Control characters, line and paragraph separators, the byte order mark and noncharacters. */
const INVISIBLE = /[\p{Cc}\u2028\u2029\uFEFF\uFFFE\uFFFF]/gu
/** Characters that Windows does not allow in names; some also have a meaning in shells. */
const RESERVED = /[<>:"|?*]/g
/** Names that Windows reserves for devices, with any extension. */
const DEVICES = /^(con|prn|aux|nul|com\d|lpt\d)(\.|$)/i

/**
 * Makes a client's file name safe to store, display and save under: the last component of a path, without control characters
 * or direction tricks, of at most 255 bytes of UTF-8. Letters of every script are kept, as are joiners, which Indic scripts and
 * emoji need.
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

/** Shortens the stem by whole characters, so that the extension still tells the kind of file. */
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
