import { SEARCH_PLACE } from '@parley/db'
import type { QueryNode, QueryTerm } from './query.ts'
import { tokenise } from './terms.ts'

/** Prefix that turns a sender's id into a term that no text contains. */
const SENDER = '@'
/** Positions between two texts of a message, so that no phrase spans both. */
const GAP = 16

/** Returns what the index stores of a message: its terms with their positions, and its sender as a term. */
export function messageTerms(senderId: string, texts: readonly string[]): Map<string, number[]> {
  const terms = new Map<string, number[]>([[SENDER + senderId, []]])
  let next = 1
  for (const text of texts) {
    const found = tokenise(text, next)
    for (const { term, position } of found.tokens) addPosition(terms, term, position)
    next = found.next + GAP
  }
  return terms
}

/** Postgres stores positions up to 16,383, and 255 per term. Occurrences beyond that are found, but not in phrases. */
function addPosition(terms: Map<string, number[]>, term: string, position: number): void {
  const places = terms.get(term)
  if (places === undefined) terms.set(term, [Math.min(position, 16_383)])
  else if (places.length < 255 && position < 16_383) insert(places, position)
}

/** Inserts in order. Most positions arrive ascending; those of joined words arrive after all others. */
function insert(places: number[], position: number): void {
  let at = places.length
  while (at > 0 && (places[at - 1] ?? 0) > position) at--
  if (places[at - 1] !== position) places.splice(at, 0, position)
}

/** Returns the query as the text of a tsquery, with placeholders (SEARCH_PLACE) before its terms. */
export function toTsquery(node: QueryNode, senderId?: string): string {
  const text = nodeText(node)
  return senderId === undefined ? text : `${text} & ${lexeme(SENDER + senderId)}`
}

function nodeText(node: QueryNode): string {
  if (node.kind === 'sequence') return `(${sequenceText(node.terms)})`
  return `(${node.of.map(nodeText).join(node.kind === 'all' ? ' & ' : ' | ')})`
}

function sequenceText(terms: readonly QueryTerm[]): string {
  return terms
    .map(({ term, prefix, offset }, index) => {
      const distance = offset - (terms[index - 1]?.offset ?? 0)
      return `${index === 0 ? '' : ` <${distance}> `}${lexeme(term)}${prefix ? ':*' : ''}`
    })
    .join('')
}

function lexeme(term: string): string {
  return `'${SEARCH_PLACE}${term.replaceAll(/['\\]/g, '$&$&')}'`
}
