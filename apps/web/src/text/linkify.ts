export interface TextPart {
  readonly text: string
  /** The link's target; null for plain text. */
  readonly href: string | null
  /** Its offset in the text. */
  readonly start: number
}

/*
 * URLs with a scheme, `www.` addresses, and e-mail addresses. They end before spaces, quotes, angle brackets, and characters that
 * change the direction of text, which could make a URL look like another one. E-mail addresses are matched only at the start of a
 * run of their characters: otherwise ten thousand such characters in a row would take very long.
 */
const CANDIDATE =
  /(?:https?:\/\/|mailto:|www\.)[^\s<>"'`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+/giu
const SAFE = new Set(['http:', 'https:', 'mailto:'])
const CLOSERS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' }

/** Splits a text into plain text and links. The parts joined are the original text. */
export function linkify(text: string): TextPart[] {
  const parts: TextPart[] = []
  let done = 0
  for (const match of text.matchAll(CANDIDATE)) {
    // Not a link in the middle of a word.
    if (match.index < done || /[\p{L}\p{N}_@/]/u.test(text[match.index - 1] ?? ' ')) continue
    const found = trimEnd(match[0])
    const href = hrefOf(found)
    if (href === null) continue
    if (match.index > done) parts.push({ text: text.slice(done, match.index), href: null, start: done })
    parts.push({ text: found, href, start: match.index })
    done = match.index + found.length
  }
  if (done < text.length) parts.push({ text: text.slice(done), href: null, start: done })
  return parts
}

/** The end of a sentence is no part of an address, nor is a bracket that was opened before it. */
function trimEnd(found: string): string {
  const left = new Map<string, number>()
  const countOf = (character: string) => left.get(character) ?? 0
  for (const character of found) left.set(character, countOf(character) + 1)
  let end = found.length
  for (; end > 0; end--) {
    const last = found[end - 1] ?? ''
    const opener = CLOSERS[last]
    const goes = opener === undefined ? /[.,:;!?…،؛؟。、]/u.test(last) : countOf(opener) < countOf(last)
    if (!goes) break
    left.set(last, countOf(last) - 1)
  }
  return found.slice(0, end)
}

function hrefOf(found: string): string | null {
  const hasScheme = /^(?:https?:\/\/|mailto:)/i.test(found)
  const isMail = !hasScheme && !/^www\./i.test(found)
  const url = URL.parse(hasScheme ? found : isMail ? `mailto:${found}` : `https://${found}`)
  if (url === null || !SAFE.has(url.protocol)) return null
  if (url.protocol === 'mailto:') return url.pathname.includes('@') ? url.href : null
  return url.hostname === '' || /^www\.?$/i.test(url.hostname) ? null : url.href
}
