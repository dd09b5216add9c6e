/*
 * Headers for serving files. A page that shows an attachment in <img>, <video> or <audio> ignores Content-Disposition, which
 * only matters when a browser opens the URL itself.
 */

/** Types that browsers display and that cannot contain scripts. All others, above all HTML and SVG, are downloads only. */
const INLINE = /^(image\/(png|jpeg|gif|webp|avif|apng|bmp)|video\/[a-z0-9.+-]+|audio\/[a-z0-9.+-]+)$/

/** Types that a browser might treat as a page or a program. */
const ACTIVE = /^(text\/(?!plain$|csv$|markdown$|calendar$|vcard$).*|[a-z]+\/([a-z0-9.+-]*(xml|html|script|wasm)))$/

/** Returns the Content-Type to store and serve a file with; active content gets one that browsers do not act on. */
export function servedType(fileType: string): string {
  if (ACTIVE.test(fileType)) return 'application/octet-stream'
  return fileType.startsWith('text/') ? `${fileType}; charset=utf-8` : fileType
}

/**
 * Returns the Content-Disposition of a file, with its name in ASCII and in full.
 * @see https://www.rfc-editor.org/rfc/rfc6266 and https://www.rfc-editor.org/rfc/rfc8187 for `filename*`
 */
export function contentDisposition(fileType: string, fileName: string): string {
  const kind = INLINE.test(fileType) ? 'inline' : 'attachment'
  // For old clients: replaces by "_" what is not ASCII and what they might unquote or decode.
  const ascii = fileName.replace(/[^\x20-\x7E]|["\\%]/gu, '_')
  if (ascii === fileName) return `${kind}; filename="${ascii}"`
  const full = encodeURIComponent(fileName).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${full}`
}
