import type { ConversationType } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import { SEARCH_SLICE } from './search-index.ts'

/**
 * Stands in the text of a tsquery where each term's place goes (see search_place() in the migrations): a
 * control character, which no term has.
 */
export const SEARCH_PLACE = '\u0001'

/** A conversation that its member may search. */
export interface SearchScopeRow {
  id: string
  type: ConversationType
  name: string | null
  participant_count: number
  last_message_at: string
  /** The messages of the time asked for are among these; all of the conversation's where it is short. */
  from_seq: number
  to_seq: number
}

/**
 * The conversations that a person is in, or the one that is named, newest activity first. Where one has more than a slice,
 * the time asked for is turned into the seqs it spans.
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
  /** Text form of a tsquery with {@link SEARCH_PLACE} before each term. */
  query: string
  /** What to rank by; null where nobody asks for the rank, which is then 0. */
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

/** The newest `limit` matches within these slices. One look into the index for each slice; see search_slices(). */
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
