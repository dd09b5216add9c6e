import { JOINED_MAX, TERM_MAX, type Token, type Tokens } from './token.ts'

/*
 * The fast path for ASCII text, which most messages in Latin scripts are: a word is a run of letters and digits, and its term
 * is that in lower case. One pass over the characters finds what the patterns of terms.ts find, in a fraction of the time; a
 * test compares the two.
 */

const [OTHER, DIGIT, LETTER, JOINER, NUMBER_JOINER] = [0, 1, 2, 3, 4]
const KINDS = Uint8Array.from({ length: 128 }, (_, code) => kindOf(String.fromCharCode(code)))

function kindOf(character: string): number {
  if (/[0-9]/.test(character)) return DIGIT
  if (/[A-Za-z]/.test(character)) return LETTER
  if (/['`-]/.test(character)) return JOINER
  return /[.,]/.test(character) ? NUMBER_JOINER : OTHER
}

/** The current chain of words with nothing but a joiner between them. */
interface Chain {
  first: Token
  last: Token
  lastIsNumber: boolean
  term: string
  words: number
}

/** Returns all terms of an ASCII text, the same as terms.ts; null if the text has any other character. */
export function tokenisePlain(text: string, position: number): Tokens | null {
  const folded = text.toLowerCase()
  const tokens: Token[] = []
  const joined: Token[] = []
  let chain: Chain | undefined
  let start = -1
  let firstLetter = -1
  for (let at = 0; at <= text.length; at++) {
    const code = at === text.length ? 0 : text.charCodeAt(at)
    if (code > 0x7f) return null
    const kind = KINDS[code]
    if (kind === DIGIT || kind === LETTER) {
      if (start < 0) start = at
      if (kind === LETTER && firstLetter < 0) firstLetter = at
      continue
    }
    if (start < 0) continue
    const term = folded.slice(start, Math.min(at, start + TERM_MAX))
    const word: Token = { term, position: position + tokens.length, start, end: at }
    const isNumber = firstLetter < 0 || firstLetter - start >= TERM_MAX
    if (chain !== undefined && isJoined(text, chain, word, isNumber)) {
      chain = {
        first: chain.first,
        last: word,
        lastIsNumber: isNumber,
        term: chain.term + term,
        words: chain.words + 1,
      }
    } else {
      if (chain !== undefined) close(chain, joined)
      chain = { first: word, last: word, lastIsNumber: isNumber, term, words: 1 }
    }
    tokens.push(word)
    start = -1
    firstLetter = -1
  }
  if (chain !== undefined) close(chain, joined)
  const next = position + tokens.length
  return { tokens: joined.length === 0 ? tokens : [...tokens, ...joined], next }
}

function isJoined(text: string, { last, lastIsNumber }: Chain, word: Token, isNumber: boolean): boolean {
  if (word.start - last.end !== 1) return false
  const between = KINDS[text.charCodeAt(last.end)]
  return between === JOINER || (between === NUMBER_JOINER && lastIsNumber && isNumber)
}

function close({ first, last, term, words }: Chain, joined: Token[]): void {
  if (words > 1 && words <= JOINED_MAX) joined.push({ ...first, term: term.slice(0, TERM_MAX), end: last.end })
}
