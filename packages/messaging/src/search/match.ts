import type { QueryNode, QueryTerm } from './query.ts'
import { tokenise } from './terms.ts'
import type { Token } from './token.ts'

/** A range of UTF-16 code units, from `start` up to but not including `end`. */
export interface Range {
  start: number
  end: number
}

/** Tokens of a text by term and position. */
type Index = Map<string, Map<number, Token>>

/** Maximum number of occurrences shown for one sequence; a text may have ten thousand. */
const SHOWN_MAX = 100

/** Returns the ranges of a text that a query matches, in order, overlapping ones merged. A prefix covers its whole word. */
export function matchedRanges(node: QueryNode, text: string): Range[] {
  const index: Index = new Map()
  for (const token of tokenise(text).tokens) {
    const places = index.get(token.term)
    if (places === undefined) index.set(token.term, new Map([[token.position, token]]))
    else addShortest(places, token)
  }
  const ranges = leavesOf(node).flatMap((terms) => occurrences(terms, index))
  const merged: Range[] = []
  for (const range of ranges.sort((a, b) => a.start - b.start || b.end - a.end)) {
    const last = merged.at(-1)
    if (last !== undefined && range.start < last.end) last.end = Math.max(last.end, range.end)
    else merged.push({ ...range })
  }
  return merged
}

function leavesOf(node: QueryNode): QueryTerm[][] {
  return node.kind === 'sequence' ? [node.terms] : node.of.flatMap(leavesOf)
}

/** Finds the places where all terms of a sequence occur at their distances. */
function occurrences(terms: readonly QueryTerm[], index: Index): Range[] {
  const placesOf = terms.map((term) => ({ offset: term.offset, places: placesOfTerm(term, index) }))
  const [first, ...rest] = placesOf
  if (first === undefined || placesOf.some(({ places }) => places.size === 0)) return []
  const ranges: Range[] = []
  for (const begin of first.places.values()) {
    const others = rest.map(({ offset, places }) => places.get(begin.position + offset))
    if (others.includes(undefined)) continue
    if (ranges.length === SHOWN_MAX) break
    ranges.push({ start: begin.start, end: Math.max(begin.end, ...others.map((token) => token?.end ?? 0)) })
  }
  return ranges
}

/** Finds the tokens of a term by position. Of several at one position the shortest: a prefix "e" of "e-mail" is "e" only. */
function placesOfTerm({ term, prefix }: QueryTerm, index: Index): Map<number, Token> {
  if (!prefix) return index.get(term) ?? new Map()
  const shortest = new Map<number, Token>()
  for (const [found, places] of index) {
    if (!found.startsWith(term)) continue
    for (const token of places.values()) addShortest(shortest, token)
  }
  return shortest
}

function addShortest(places: Map<number, Token>, token: Token): void {
  const known = places.get(token.position)
  if (known === undefined || token.end < known.end) places.set(token.position, token)
}
