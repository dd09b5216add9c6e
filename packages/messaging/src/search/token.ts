/**
 * One term at its place in a text. Positions count what a phrase counts: words, emoji, and the characters of scripts
 * that are written without spaces. Several terms may share a position.
 */
export interface Token {
  term: string
  position: number
  /** UTF-16 code units of the text: from `start` up to but not including `end`. */
  start: number
  end: number
}

/** Tokens of a text, and the position after the last. */
export interface Tokens {
  tokens: Token[]
  next: number
}

/** Longer terms are cut; characters. */
export const TERM_MAX = 64
/** Most words that are joined into one; see joinedWords(). */
export const JOINED_MAX = 4
