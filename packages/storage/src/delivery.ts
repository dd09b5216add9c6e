/*
 * How a file is handed out. A page that shows an attachment in an <img>, <video> or <audio> does not look at the
 * disposition; it decides what a browser does that is led to the address itself.
 */

/** Types that a browser shows and that cannot hold a script. All others, HTML and SVG above all, are only ever saved. */
const SHOWN_IN_PLACE = /^(image\/(png|jpeg|gif|webp|avif|apng|bmp)|video\/[a-z0-9.+-]+|audio\/[a-z0-9.+-]+)$/

/** Types that a browser may take for a page or a program where it is told of them. */
const ACTIVE = /^(text\/(?!plain$|csv$|markdown$|calendar$|vcard$).*|[a-z]+\/([a-z0-9.+-]*(xml|html|script|wasm)))$/

/** The Content-Type that a file is stored and served with: of active content, one that no browser acts on. */
export function servedType(fileType: string): string {
  if (ACTIVE.test(fileType)) return 'application/octet-stream'
  return fileType.startsWith('text/') ? `${fileType}; charset=utf-8` : fileType
}

/**
 * The Content-Disposition of a file: names it for saving, in ASCII and in full.
 * @see https://www.rfc-editor.org/rfc/rfc6266 and https://www.rfc-editor.org/rfc/rfc8187 for `filename*`
 */
export function contentDisposition(fileType: string, fileName: string): string {
  const kind = SHOWN_IN_PLACE.test(fileType) ? 'inline' : 'attachment'
  // Older readers: what is not plain ASCII, and what they might unquote or decode, is shown as "_".
  const ascii = fileName.replace(/[^\x20-\x7E]|["\\%]/gu, '_')
  if (ascii === fileName) return `${kind}; filename="${ascii}"`
  const full = encodeURIComponent(fileName).replace(
    /['()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `${kind}; filename="${ascii}"; filename*=UTF-8''${full}`
}
