import { joinedWords, type Piece, piecesOf, termsOf, unitsOf, wordsOf } from './terms.ts'
import type { Token } from './token.ts'

/** A term of a query, `offset` positions after the first term of its sequence. */
export interface QueryTerm {
  term: string
  /** Whether to match every term that starts with this one. */
  prefix: boolean
  offset: number
}

/** What a text must contain: terms at given distances from each other, all of several nodes, or any of them. */
export type QueryNode =
  | { kind: 'sequence'; terms: QueryTerm[] }
  | { kind: 'all'; of: QueryNode[] }
  | { kind: 'any'; of: QueryNode[] }

/** Further terms are ignored: each costs an index lookup per conversation. */
const TERMS_MAX = 32
/** An unspaced run of at least this length is also searched as it is, however the dictionary splits it. Characters. */
const UNSPACED_EXACT_MIN = 4

const QUOTED = /["“”„«»]/u
/** Separators between the words of a query. Other punctuation keeps them together, as in user@example.com. */
const SEPARATOR = /[\s,;!?…—、。，！？；]+/u

const words = new Intl.Segmenter('zh', { granularity: 'word' })

/**
 * Parses a search text: all words must occur, in any order; quoted words, and words written without a space between them,
 * must be consecutive; the last word is a prefix unless it is in closed quotes. Null if there is nothing to search for.
 */
export function parseQuery(text: string): QueryNode | null {
  const parts = text.split(QUOTED)
  const nodes = parts.flatMap((part, index) => {
    const quoted = index % 2 === 1
    const last = index === parts.length - 1
    if (quoted) return phrase(part, last)
    const chunks = part.split(SEPARATOR).filter((chunk) => chunk !== '')
    return chunks.flatMap((chunk, at) => chunkNodes(chunk, last && at === chunks.length - 1))
  })
  const kept = bounded(distinct(nodes))
  const [only] = kept
  return only === undefined ? null : kept.length === 1 ? only : { kind: 'all', of: kept }
}

/** The words between two quotes, which must be consecutive. */
function phrase(text: string, prefix: boolean): QueryNode[] {
  const terms: QueryTerm[] = []
  let next = 0
  for (const piece of piecesOf(text)) {
    const found = exactTerms(piece, next)
    terms.push(...found.terms)
    next = found.next
  }
  return sequence(terms, prefix && endsInWord(text))
}

/** The terms of a piece as it is: its word, or neighbouring pairs that cover it. */
function exactTerms(piece: Piece, position: number): { terms: QueryTerm[]; next: number } {
  const { tokens, next } = termsOf(piece, position)
  const chosen = piece.kind === 'word' || piece.kind === 'emoji' ? tokens.slice(0, 1) : covering(tokens, position, next)
  return { terms: chosen.map(({ term, position: offset }) => ({ term, prefix: false, offset })), next }
}

/** Every second pair plus the last one are as selective as all pairs. A single character has only itself. */
function covering(tokens: readonly Token[], first: number, next: number): Token[] {
  const length = next - first
  if (length === 1) return tokens.slice(0, 1)
  return tokens.slice(-(length - 1)).filter(({ position }) => (position - first) % 2 === 0 || position === next - 2)
}

/** Parses a part of the query without spaces. */
function chunkNodes(chunk: string, prefix: boolean): QueryNode[] {
  const pieces = piecesOf(chunk)
  const nodes: QueryNode[] = []
  let row: Piece[] = []
  const closeRow = (last: boolean) => {
    nodes.push(...wordRow(chunk, row, last))
    row = []
  }
  pieces.forEach((piece, index) => {
    const last = prefix && index === pieces.length - 1
    if (piece.kind === 'word') {
      row.push(piece)
      if (last) closeRow(true)
      return
    }
    closeRow(false)
    if (piece.kind === 'emoji') nodes.push(...sequence(exactTerms(piece, 0).terms, false))
    if (piece.kind === 'grams') nodes.push(...gramNodes(piece))
    if (piece.kind === 'unspaced') nodes.push(...unspacedNodes(piece, last))
  })
  closeRow(false)
  return nodes
}

/** Words without a space between them: consecutive (user@example.com), or also as one joined word (e-mail, email). */
function wordRow(chunk: string, row: readonly Piece[], prefix: boolean): QueryNode[] {
  const tokens: Token[] = []
  for (const piece of row) tokens.push(...termsOf(piece, tokens.length).tokens.slice(0, 1))
  const inRow = sequence(
    tokens.map(({ term, position: offset }) => ({ term, prefix: false, offset })),
    prefix,
  )
  const [whole, ...more] = joinedWords(chunk, tokens)
  const last = tokens.at(-1)
  const coversAll = whole !== undefined && more.length === 0 && whole.position === 0 && whole.end === last?.end
  if (!coversAll) return inRow
  return [{ kind: 'any', of: [...inRow, ...sequence([{ term: whole.term, prefix: false, offset: 0 }], prefix)] }]
}

/**
 * Chinese, Japanese, Korean: splits the query into words by dictionary. The characters of a word must be consecutive; the
 * words may be in any order. If the dictionary finds only single characters, they form one sequence.
 */
function gramNodes(piece: Piece): QueryNode[] {
  const segments = Array.from(words.segment(piece.text), ({ segment, index }) => ({
    ...piece,
    text: segment,
    start: piece.start + index,
  })).filter((segment) => unitsOf(segment).length > 0)
  const hasWord = segments.some((segment) => unitsOf(segment).length > 1)
  const rows = hasWord ? segments : [piece]
  return rows.flatMap((row) => sequence(exactTerms(row, 0).terms, false))
}

/** Thai and other unspaced scripts: the words by dictionary, or the text as typed. */
function unspacedNodes(piece: Piece, prefix: boolean): QueryNode[] {
  const found = wordsOf(piece, 0)
  const ofWords = found.flatMap(({ term }, index) =>
    sequence([{ term, prefix: false, offset: 0 }], prefix && index === found.length - 1),
  )
  if (ofWords.length === 0) return []
  if (unitsOf(piece).length < UNSPACED_EXACT_MIN) return ofWords
  return [{ kind: 'any', of: [{ kind: 'all', of: ofWords }, ...sequence(exactTerms(piece, 0).terms, false)] }]
}

function sequence(all: readonly QueryTerm[], prefix: boolean): QueryNode[] {
  const terms = all.slice(0, TERMS_MAX)
  const [first] = terms
  if (first === undefined) return []
  const last = all.length - 1
  return [
    {
      kind: 'sequence',
      terms: terms.map(({ term, offset }, index) => ({
        term,
        prefix: prefix && index === last,
        offset: offset - first.offset,
      })),
    },
  ]
}

function endsInWord(text: string): boolean {
  return piecesOf(text).at(-1)?.kind === 'word'
}

function distinct(nodes: readonly QueryNode[]): QueryNode[] {
  return [...new Map(nodes.map((node) => [JSON.stringify(node), node])).values()]
}

function bounded(nodes: readonly QueryNode[]): QueryNode[] {
  let terms = 0
  return nodes.filter((node, index) => {
    terms += countTerms(node)
    return index === 0 || terms <= TERMS_MAX
  })
}

function countTerms(node: QueryNode): number {
  return node.kind === 'sequence' ? node.terms.length : node.of.reduce((sum, child) => sum + countTerms(child), 0)
}
