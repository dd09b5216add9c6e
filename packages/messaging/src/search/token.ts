/**
 * A term at its place in a text. Positions are those of phrase search: they count words, emoji, and the characters of scripts
 * written without spaces. Several terms may share a position.
 */
export interface Token {
  term: string
  position: number
  /** Range of UTF-16 code units, from `start` up to but not including `end`. */
  start: number
  end: number
}

/** The tokens of a text, and the position after the last one. */
export interface Tokens {
  tokens: Token[]
  next: number
}

/** Longer terms are truncated. Characters. */
export const TERM_MAX = 64
/** Maximum number of words that are joined into one; see joinedWords(). */
export const JOINED_MAX = 4
