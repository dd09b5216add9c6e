import type { QueryNode, QueryTerm } from './query.ts'
import { type Token, tokenise } from './terms.ts'

/** UTF-16 code units of a text, from `start` up to but not including `end`. */
export interface Range {
  start: number
  end: number
}

type Index = Map<string, Token[]>

/** The parts of a text that a query matches, in order, those that overlap as one. Prefixes show their whole word. */
export function matchedRanges(node: QueryNode, text: string): Range[] {
  const index: Index = Map.groupBy(tokenise(text).tokens, (token) => token.term)
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

/** Where all terms of a sequence stand at their distances. */
function occurrences(terms: readonly QueryTerm[], index: Index): Range[] {
  const [first, ...rest] = terms
  if (first === undefined) return []
  return tokensOf(first, index).flatMap((begin) => {
    let end = begin.end
    for (const term of rest) {
      const position = begin.position + term.offset
      const token = tokensOf(term, index).find((candidate) => candidate.position === position)
      if (token === undefined) return []
      end = Math.max(end, token.end)
    }
    return [{ start: begin.start, end }]
  })
}

/** Of several at one position the shortest: the beginning of "e-mail" is "e", not all of it. */
function tokensOf({ term, prefix }: QueryTerm, index: Index): Token[] {
  if (!prefix) return index.get(term) ?? []
  const shortest = new Map<number, Token>()
  for (const [found, tokens] of index) {
    if (!found.startsWith(term)) continue
    for (const token of tokens) {
      const known = shortest.get(token.position)
      if (known === undefined || token.end < known.end) shortest.set(token.position, token)
    }
  }
  return [...shortest.values()]
}
