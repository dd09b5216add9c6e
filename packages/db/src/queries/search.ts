import type { ConversationType } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import { SEARCH_SLICE } from './search-index.ts'

/**
 * Marks in the text of a tsquery where each term's prefix goes (see search_place() in the migrations): a control character,
 * which occurs in no term.
 */
export const SEARCH_PLACE = '\u0001'

/** A conversation that a member may search. */
export interface SearchScopeRow {
  id: string
  type: ConversationType
  name: string | null
  participant_count: number
  last_message_at: string
  /** The seqs to search: those of the requested time span, or all of a short conversation's. */
  from_seq: number
  to_seq: number
}

/**
 * Returns the person's conversations, or just the given one, most recent activity first. For a conversation longer than a
 * slice, the time span is converted to a range of seqs.
 */
export async function listSearchScope(
  db: Queryable,
  userId: string,
  { conversationId, from, to }: { conversationId: string | null; from: string | null; to: string | null },
): Promise<SearchScopeRow[]> {
  const { rows } = await db.query<SearchScopeRow>({
    name: 'list_search_scope',
    text: `
      select c.id, c.type, c.name, c.participant_count, c.last_message_at,
        case when $3::timestamptz is null or c.last_seq < ${SEARCH_SLICE} then 1
          else seq_before(c.id, $3::timestamptz, c.last_seq) + 1 end as from_seq,
        case when $4::timestamptz is null or c.last_seq < ${SEARCH_SLICE} then c.last_seq
          else seq_before(c.id, $4::timestamptz + interval '1 microsecond', c.last_seq) end as to_seq
      from participants p join conversations c on c.id = p.conversation_id
      where p.user_id = $1 and p.left_at is null and ($2::uuid is null or p.conversation_id = $2)
      order by c.last_message_at desc, c.id`,
    values: [userId, conversationId, from, to],
  })
  return rows
}

export interface SlicesQuery {
  slices: readonly { conversationId: string; slice: number }[]
  /** The text form of a tsquery, with {@link SEARCH_PLACE} before each term. */
  query: string
  /** The tsquery to rank by; if null, every rank is 0. */
  rankBy: string | null
  from: string | null
  to: string | null
  limit: number
}

export interface SearchMatch {
  conversation_id: string
  seq: number
  sent_at: string
  rank: number
}

/** Returns the newest `limit` matches within these slices, with one index lookup per slice; see search_slices(). */
export async function searchSlices(
  db: Queryable,
  { slices, query, rankBy, from, to, limit }: SlicesQuery,
): Promise<SearchMatch[]> {
  const { rows } = await db.query<SearchMatch>({
    name: 'search_slices',
    text: `
      select conversation_id, seq, sent_at, rank
      from search_slices($1::uuid[], $2::bigint[], $3, $4, $5::timestamptz, $6::timestamptz)
      order by sent_at desc limit $7`,
    values: [slices.map((s) => s.conversationId), slices.map((s) => s.slice), query, rankBy, from, to, limit],
  })
  return rows
}
