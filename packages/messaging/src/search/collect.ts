import { type SearchMatch, type SearchScopeRow, searchSlice } from '@parley/db'

/** Maximum number of matches that are counted and can be paged through. */
export const SEARCH_DEPTH = 1_000
/** Maximum number of matches of one lookup: one more than is counted, to see whether there are more. */
export const LOOKUP_LIMIT = SEARCH_DEPTH + 1
/** Maximum number of slices searched by one statement. */
const SLICES_PER_ROUND = 512

export interface SliceKey {
  conversationId: string
  slice: number
}

/** The part of a conversation still to be searched: its slices from `next` down to `last`. */
interface Front {
  conversationId: string
  next: number
  last: number
  /** Upper bound on the time of the remaining messages. RFC 3339 in UTC with microseconds, so it sorts as text. */
  newest: string
}

/**
 * Finds the newest matches in several conversations. Searches the newest messages first and goes back only as far as
 * necessary: until everything has been searched, or {@link SEARCH_DEPTH} matches were found and nothing left can be among the
 * first `settled` of them.
 *
 * Within a conversation, time ascends with seq, so what is left of it is older than its oldest match so far.
 *
 * @param look returns the newest {@link LOOKUP_LIMIT} matches within the given slices, in any order
 * @returns newest first, at most {@link SEARCH_DEPTH}; `complete` if there are no more
 */
export async function collectNewest(
  scope: readonly Pick<SearchScopeRow, 'id' | 'from_seq' | 'to_seq' | 'last_message_at'>[],
  settled: number,
  look: (slices: SliceKey[]) => Promise<SearchMatch[]>,
): Promise<{ matches: SearchMatch[]; complete: boolean }> {
  const wanted = Math.min(settled, SEARCH_DEPTH)
  let fronts: Front[] = scope
    .filter(({ from_seq, to_seq }) => from_seq <= to_seq)
    .map(({ id, from_seq, to_seq, last_message_at }) => ({
      conversationId: id,
      next: searchSlice(to_seq),
      last: searchSlice(from_seq),
      newest: last_message_at,
    }))
  let matches: SearchMatch[] = []
  for (let width = 1; ; width *= 2) {
    const threshold = matches.length < SEARCH_DEPTH ? undefined : matches[wanted - 1]?.sent_at
    const open = fronts.filter(({ newest }) => threshold === undefined || newest >= threshold)
    if (open.length === 0) break
    const slices = takeSlices(open, width)
    const found = await look(slices)
    matches = [...matches, ...found].sort(newestFirst)
    fronts = advance(fronts, slices, found)
  }
  const complete = fronts.length === 0 && matches.length <= SEARCH_DEPTH
  return { matches: matches.slice(0, SEARCH_DEPTH), complete }
}

/** Takes the next `width` slices of each conversation, newest messages first, up to the limit of one statement. */
function takeSlices(open: readonly Front[], width: number): SliceKey[] {
  const slices: SliceKey[] = []
  for (const { conversationId, next, last } of [...open].sort((a, b) => (a.newest < b.newest ? 1 : -1))) {
    for (let slice = next; slice >= last && slice > next - width; slice--) {
      if (slices.length === SLICES_PER_ROUND) return slices
      slices.push({ conversationId, slice })
    }
  }
  return slices
}

/** Returns what is left after these slices were searched, without the conversations that are done. */
function advance(fronts: readonly Front[], slices: readonly SliceKey[], found: readonly SearchMatch[]): Front[] {
  const lowest = new Map<string, number>()
  for (const { conversationId, slice } of slices) lowest.set(conversationId, slice)
  const oldest = new Map<string, string>()
  for (const { conversation_id: id, sent_at: at } of found) {
    const known = oldest.get(id)
    if (known === undefined || at < known) oldest.set(id, at)
  }
  return fronts
    .map((front) => ({
      ...front,
      next: (lowest.get(front.conversationId) ?? front.next + 1) - 1,
      newest: oldest.get(front.conversationId) ?? front.newest,
    }))
    .filter((front) => front.next >= front.last)
}

/** The order of results: newest first, with a deterministic order within the same microsecond. */
export function newestFirst(a: SearchMatch, b: SearchMatch): number {
  if (a.sent_at !== b.sent_at) return a.sent_at < b.sent_at ? 1 : -1
  if (a.conversation_id !== b.conversation_id) return a.conversation_id < b.conversation_id ? 1 : -1
  return b.seq - a.seq
}

/** Best first: short texts with the words close together; then the newest. */
export function bestFirst(a: SearchMatch, b: SearchMatch): number {
  return b.rank - a.rank || newestFirst(a, b)
}
