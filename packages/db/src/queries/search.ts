import type { ConversationType, MessageType } from '@parley/protocol'
import { int8Array, uuidArray } from '../binary-arrays.ts'
import type { Queryable } from '../pool.ts'
import { type PlacedTerms, searchPlace, tsvectorArray } from '../term-vectors.ts'

/**
 * Stands in the text of a tsquery where each term's place goes (see search_place() in the migrations): a
 * control character, which no term has.
 */
export const SEARCH_PLACE = '\u0001'

/**
 * Messages of one conversation whose terms share a place. A lookup costs what matches within one place, so that a word
 * that every message has costs this much at most for each conversation that is looked at.
 */
export const SEARCH_SLICE = 512

/** Number of the slice that a message is in. */
export function searchSlice(seq: number): number {
  return Math.floor(seq / SEARCH_SLICE)
}

export interface MessageTerms {
  conversationId: string
  seq: number
  /** Positions of each term, in rising order. */
  terms: ReadonlyMap<string, readonly number[]>
}

/**
 * Puts messages into the index, or anew where they are in it. One that is deleted by now, or not there, is left out. In
 * key order, so that two who do the same never wait for each other in a circle.
 * @param known whether they are likely to be in the index
 */
export async function indexMessages(
  db: Queryable,
  messages: readonly MessageTerms[],
  { known }: { known: boolean },
): Promise<void> {
  if (messages.length === 0) return
  const inOrder = messages.toSorted(byKey)
  await db.query({
    name: 'index_messages',
    text: 'select index_messages($1, $2, $3, $4)',
    values: [
      uuidArray(inOrder.map((m) => m.conversationId)),
      int8Array(inOrder.map((m) => m.seq)),
      tsvectorArray(placed(inOrder)),
      !known,
    ],
  })
}

function byKey(a: MessageKey, b: MessageKey): number {
  return a.conversationId === b.conversationId ? a.seq - b.seq : a.conversationId < b.conversationId ? -1 : 1
}

/** In key order those of a slice follow each other, so that its place is computed once. */
function placed(inOrder: readonly MessageTerms[]): PlacedTerms[] {
  let [conversation, slice, place] = ['', 0, '']
  return inOrder.map(({ conversationId, seq, terms }) => {
    if (conversationId !== conversation || searchSlice(seq) !== slice) {
      conversation = conversationId
      slice = searchSlice(seq)
      place = searchPlace(conversation, slice)
    }
    return { place, terms }
  })
}

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

/** Place of a message in key order. */
export interface MessageKey {
  conversationId: string
  seq: number
}

/** A message as the index is made from it. */
export interface IndexableRow {
  conversation_id: string
  seq: number
  sender_id: string
  content: string
  type: MessageType
  attachments: { fileName: string }[] | null
}

/** The next messages in key order after `after` (from the first where it is null), those left out that are deleted. */
export async function listIndexable(db: Queryable, after: MessageKey | null, limit: number): Promise<IndexableRow[]> {
  const { rows } = await db.query<IndexableRow>({
    name: 'list_indexable',
    text: `
      select conversation_id, seq, sender_id, content, type, attachments from messages
      where (conversation_id, seq) > ($1::uuid, $2::bigint) and deleted_at is null
      order by conversation_id, seq limit $3`,
    values: [after?.conversationId ?? NIL, after?.seq ?? 0, limit],
  })
  return rows
}

/**
 * Removes from the index what is no (living) message, within `after < key <= upTo` (to the end where `upTo` is null).
 * @returns how many there were
 */
export async function pruneIndex(db: Queryable, after: MessageKey | null, upTo: MessageKey | null): Promise<number> {
  const { rowCount } = await db.query({
    name: 'prune_index',
    text: `
      delete from message_search s
      where (s.conversation_id, s.seq) > ($1::uuid, $2::bigint) and (s.conversation_id, s.seq) <= ($3::uuid, $4::bigint)
        and not exists (
          select from messages m
          where m.conversation_id = s.conversation_id and m.seq = s.seq and m.deleted_at is null)`,
    values: [after?.conversationId ?? NIL, after?.seq ?? 0, upTo?.conversationId ?? MAX, upTo?.seq ?? 0],
  })
  return rowCount ?? 0
}

/** How many messages there are up to and including `upTo` in key order, the deleted ones too; all where it is null. */
export async function countMessages(db: Queryable, upTo: MessageKey | null): Promise<number> {
  const { rows } = await db.query<{ count: number }>({
    name: 'count_messages',
    text: `
      select coalesce(sum(case when id < $1::uuid then last_seq else $2::bigint end), 0)::bigint as count
      from conversations where id <= $1::uuid`,
    values: [upTo?.conversationId ?? MAX, upTo?.seq ?? 0],
  })
  return rows[0]?.count ?? 0
}

/** The first and the last of all UUIDs; no message has them. */
const NIL = '00000000-0000-0000-0000-000000000000'
const MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
