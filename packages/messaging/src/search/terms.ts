import { foldText } from '../fold.ts'
import { tokenisePlain } from './plain-terms.ts'
import { JOINED_MAX, TERM_MAX, type Token, type Tokens } from './token.ts'

const KINDS = ['word', 'grams', 'unspaced', 'emoji'] as const
type Kind = (typeof KINDS)[number]

/** A run of letters of one writing system, or an emoji. */
export interface Piece {
  kind: Kind
  text: string
  start: number
}

/*
 * How text is split into terms:
 * - `word`: scripts with spaces. A run of letters and digits is a word. The parts of example.com, user@host and snake_case are
 *   consecutive words, so that the whole is found as a phrase and each part by itself.
 * - `grams`: Chinese, Japanese and Korean. Single characters and pairs of neighbours are indexed, so that a word is found
 *   inside a sentence however a dictionary would split that sentence.
 * - `unspaced`: Thai, Lao, Khmer, Burmese. Words by dictionary (Intl.Segmenter), and pairs of neighbours as well, because the
 *   dictionary splits the same word differently in different contexts.
 */
const GRAM = '[[\\p{scx=Han}\\p{scx=Hira}\\p{scx=Kana}\\p{scx=Hang}]&&[\\p{L}\\p{M}\\p{N}]]'
const UNSPACED = '[[\\p{scx=Thai}\\p{scx=Laoo}\\p{scx=Khmr}\\p{scx=Mymr}]&&[\\p{L}\\p{M}]]'
/** Soft hyphens and zero-width characters are part of a word, not separators. */
const WORD = `[[\\p{L}\\p{M}\\p{N}\\u00ad\\u200b-\\u200d]--${GRAM}--${UNSPACED}]`
const PIECE = new RegExp(
  [
    '(?<emoji>\\p{RGI_Emoji}|\\p{Extended_Pictographic})',
    `(?<grams>${GRAM}[${GRAM}\\p{M}]*)`,
    `(?<unspaced>${UNSPACED}[${UNSPACED}\\p{M}\\u200b-\\u200d]*)`,
    `(?<word>${WORD}[${WORD}\\p{M}]*)`,
  ].join('|'),
  'gv',
)
/** A character with its marks; halfwidth voicing marks count as marks. */
const UNIT = /.[\p{M}\uff9e\uff9f\u200b-\u200d]*/gsu
const NOT_IN_TERM = /[^\p{L}\p{M}\p{N}]/gu
const SKIN_TONE = /[\u{1f3fb}-\u{1f3ff}]/gu
const VARIATION = /[\ufe0e\ufe0f]/gu
/** What may join two words into one: e-mail and email, don't and dont, 1,000 and 1000. */
const JOINER = /^['’‘`\-\u2010\u2011]$/u
const NUMBER_JOINER = /^[.,'’٬٫]$/u
/** The Arabic article before a word of three letters or more. */
const ARTICLE = /^ال([\u0621-\u064a]{3,})$/u
/** Most words: they need no folding beyond lower case. */
const PLAIN_WORD = /^[A-Za-z0-9]{1,64}$/

const dictionary = new Intl.Segmenter('th', { granularity: 'word' })

/** Prefix of a pair of neighbours in an unspaced script, which is not a word. No other term has this character. */
const PAIR = '~'

/** Splits a text into its pieces, in order. */
export function piecesOf(text: string): Piece[] {
  const pieces: Piece[] = []
  for (const { groups = {}, 0: found, index } of text.matchAll(PIECE)) {
    const kind = KINDS.find((name) => groups[name] !== undefined) ?? 'word'
    pieces.push({ kind, text: found, start: index })
  }
  return pieces
}

/** Normalises a term as it is stored: folded, reduced to letters, marks and digits, of bounded length. */
function foldTerm(text: string): string {
  if (PLAIN_WORD.test(text)) return text.toLowerCase()
  return cut(foldText(text).replaceAll(NOT_IN_TERM, ''))
}

function cut(term: string): string {
  return term.length <= TERM_MAX ? term : [...term].slice(0, TERM_MAX).join('')
}

/** Returns the terms of one piece, with positions from `position`. */
export function termsOf(piece: Piece, position: number): Tokens {
  switch (piece.kind) {
    case 'emoji':
      return emojiTerms(piece, position)
    case 'grams':
      return gramTerms(piece, position)
    case 'unspaced':
      return unspacedTerms(piece, position)
    case 'word':
      return wordTerms(piece, position)
  }
}

/** A word, and also without its Arabic article, which is written together with it. */
function wordTerms({ text, start }: Piece, position: number): Tokens {
  const term = foldTerm(text)
  if (term === '') return { tokens: [], next: position }
  const place = { position, start, end: start + text.length }
  const [, noun] = ARTICLE.exec(term) ?? []
  const terms = noun === undefined ? [term] : [term, noun]
  return { tokens: terms.map((one) => ({ term: one, ...place })), next: position + 1 }
}

/** An emoji as it is, and without its skin tone. */
function emojiTerms({ text, start }: Piece, position: number): Tokens {
  const whole = text.replaceAll(VARIATION, '')
  const plain = whole.replaceAll(SKIN_TONE, '')
  const place = { position, start, end: start + text.length }
  const tokens = [whole, ...(plain === whole || plain === '' ? [] : [plain])].map((term) => ({ term, ...place }))
  return { tokens, next: position + 1 }
}

/** A character with its marks. */
export interface Unit {
  text: string
  start: number
  end: number
}

/** Returns a piece's characters, folded, with their places in the whole text in UTF-16 code units. */
export function unitsOf({ text, start }: Piece): Unit[] {
  return Array.from(text.matchAll(UNIT), ({ 0: unit, index }) => ({
    text: foldTerm(unit),
    start: start + index,
    end: start + index + unit.length,
  })).filter((unit) => unit.text !== '')
}

function gramTerms(piece: Piece, position: number): Tokens {
  const units = unitsOf(piece)
  const singles = units.map(({ text, start, end }, index) => ({ term: text, position: position + index, start, end }))
  return { tokens: [...singles, ...pairsOf(units, position, '')], next: position + units.length }
}

function pairsOf(units: readonly Unit[], position: number, mark: string): Token[] {
  return units.slice(0, -1).map((unit, index) => {
    const other = units[index + 1] ?? unit
    return { term: mark + unit.text + other.text, position: position + index, start: unit.start, end: other.end }
  })
}

function unspacedTerms(piece: Piece, position: number): Tokens {
  const units = unitsOf(piece)
  const tokens = [...wordsOf(piece, position), ...pairsOf(units, position, PAIR)]
  return { tokens, next: position + units.length }
}

/** Splits an unspaced piece into words by dictionary. */
export function wordsOf(piece: Piece, position: number): Token[] {
  const units = unitsOf(piece)
  let at = 0
  return Array.from(dictionary.segment(piece.text)).flatMap(({ segment, index }) => {
    const start = piece.start + index
    while (at < units.length && (units[at]?.end ?? 0) <= start) at++
    const term = foldTerm(segment)
    return term === '' ? [] : [{ term, position: position + at, start, end: start + segment.length }]
  })
}

/** Returns all terms of a text, with positions from `position`. */
export function tokenise(text: string, position = 0): Tokens {
  return tokenisePlain(text, position) ?? tokeniseAny(text, position)
}

/** The general form of {@link tokenise}, for text in any script. */
export function tokeniseAny(text: string, position: number): Tokens {
  const tokens: Token[] = []
  const words: Token[] = []
  let next = position
  for (const piece of piecesOf(text)) {
    const found = termsOf(piece, next)
    tokens.push(...found.tokens)
    if (piece.kind === 'word') words.push(...found.tokens.slice(0, 1))
    next = found.next
  }
  return { tokens: [...tokens, ...joinedWords(text, words)], next }
}

/** For words with only a hyphen, an apostrophe or a digit separator between them, returns the term without it. */
export function joinedWords(text: string, words: readonly Token[]): Token[] {
  const joined: Token[] = []
  let chain: Token[] = []
  const close = () => {
    const [first] = chain
    const last = chain.at(-1)
    if (first !== undefined && last !== undefined && chain.length > 1 && chain.length <= JOINED_MAX) {
      joined.push({ ...first, term: cut(chain.map(({ term }) => term).join('')), end: last.end })
    }
  }
  for (const word of words) {
    const before = chain.at(-1)
    if (before !== undefined && isJoined(text, before, word)) chain.push(word)
    else {
      close()
      chain = [word]
    }
  }
  close()
  return joined
}

function isJoined(text: string, before: Token, after: Token): boolean {
  const between = text.slice(before.end, after.start)
  if (JOINER.test(between)) return true
  return NUMBER_JOINER.test(between) && /^\d+$/.test(before.term) && /^\d+$/.test(after.term)
}
