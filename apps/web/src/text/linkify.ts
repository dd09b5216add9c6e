export interface TextPart {
  readonly text: string
  /** Where it leads; null for what is no address. */
  readonly href: string | null
  /** Its place in the text. */
  readonly start: number
}

/*
 * Addresses with a scheme, `www.` ones, and e-mail addresses. Neither spaces, quotes, angle brackets nor characters that
 * turn the direction of text (they can make an address look like another one) are taken into them. An e-mail address is
 * looked for once in a run of its characters, not at each of them: a message of ten thousand would take long.
 */
const CANDIDATE =
  /(?:https?:\/\/|mailto:|www\.)[^\s<>"'`\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]+|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+/giu
const SAFE = new Set(['http:', 'https:', 'mailto:'])
const CLOSERS: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' }

/** A text in parts, those that are addresses with where they lead. Joined, the parts are the text again. */
export function linkify(text: string): TextPart[] {
  const parts: TextPart[] = []
  let done = 0
  for (const match of text.matchAll(CANDIDATE)) {
    // In the middle of a word it is none.
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
