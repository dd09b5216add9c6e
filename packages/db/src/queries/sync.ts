import type { ConversationType } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import { type MessageRow, messageColumns } from './messages.ts'

/** One person's question: what has changed in conversations with `after < id <= until`. */
export interface SyncQuestion {
  userId: string
  /** The revs that the person's client has, by conversation. */
  known: Readonly<Record<string, number>>
  after: string
  until: string
}

/** A conversation that has changed for one asker, or, where `type` is null, one they named and are not in. */
export interface SyncHeadRow {
  /** Position of the question, from 1. */
  no: number
  id: string
  type: ConversationType | null
  name: string | null
  created_by: string
  participant_count: number
  last_seq: number
  rev: number
  created_at: string
  last_message_at: string
  last_read_seq: number
  joined_seq: number
  /** Null where the asker did not name it. */
  known_rev: number | null
}

/**
 * What changed for each of some people, in the order of ids, at most `limit` conversations for each; and the
 * conversations they named that they are not in. One statement however many people and conversations.
 *
 * Plan: participants_user for each person, conversations by primary key for each row, a look into the jsonb of known
 * revs (sorted keys) for each; then by primary key of participants for each named conversation.
 */
export async function syncHeads(
  db: Queryable,
  questions: readonly SyncQuestion[],
  limit: number,
): Promise<SyncHeadRow[]> {
  const { rows } = await db.query<SyncHeadRow>({
    name: 'sync_heads',
    text: `
      with asked as (
        select * from unnest($1::text[], $2::jsonb[], $3::uuid[], $4::uuid[])
          with ordinality as a (user_id, known, after_id, until_id, no)
      ), changed as (
        select a.no, c.id, c.type, c.name, c.created_by, c.participant_count, c.last_seq, c.rev, c.created_at,
          c.last_message_at, p.last_read_seq, p.joined_seq, (a.known ->> c.id::text)::bigint as known_rev,
          row_number() over (partition by a.no order by c.id) as nth
        from asked a
        join participants p on p.user_id = a.user_id and p.left_at is null
          and p.conversation_id > a.after_id and p.conversation_id <= a.until_id
        join conversations c on c.id = p.conversation_id
        where (a.known ->> c.id::text)::bigint is distinct from c.rev
      )
      select no, id, type, name, created_by, participant_count, last_seq, rev, created_at, last_message_at,
        last_read_seq, joined_seq, known_rev
      from changed where nth <= $5
      union all
      select a.no, k.id, null, null, '', 0, 0, 0, null, null, 0, 0, 0
      from asked a cross join lateral (select key::uuid as id from jsonb_object_keys(a.known) as key) k
      where k.id > a.after_id and k.id <= a.until_id and not exists (
        select from participants p
        where p.conversation_id = k.id and p.user_id = a.user_id and p.left_at is null)
      order by no, id`,
    values: [
      questions.map((q) => q.userId),
      questions.map((q) => JSON.stringify(q.known)),
      questions.map((q) => q.after),
      questions.map((q) => q.until),
      limit,
    ],
  })
  return rows
}

/** A conversation and the rev from which its changes are asked for. */
export interface SyncRange {
  conversationId: string
  /** Null: not known at all. */
  knownRev: number | null
  lastSeq: number
  rev: number
}

/** Which of the ranges a row belongs to, from 1. */
export interface OfRange {
  range: number
}

/**
 * New and changed messages of each range, at most `limit` new ones (the newest) and `limit` changed ones of each.
 *
 * New ones need no index of revs: each message took a rev of its own, so there are at most `rev - knownRev` of them, and
 * they are the newest by seq. Older ones that were changed come by the partial index messages_changed. Where nothing is
 * known, the newest message alone.
 */
export async function syncMessages(
  db: Queryable,
  ranges: readonly SyncRange[],
  limit: number,
): Promise<(MessageRow & OfRange)[]> {
  const { rows } = await db.query<MessageRow & OfRange>({
    name: 'sync_messages',
    text: `
      with ranges as (
        select * from unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bigint[])
          with ordinality as r (conversation_id, known_rev, last_seq, rev, range)
      ), wanted as (
        select r.range, r.conversation_id, m.seq from ranges r cross join lateral (
          select n.seq from messages n
          where n.conversation_id = r.conversation_id and n.seq <= r.last_seq
            and n.seq > r.last_seq - case when r.known_rev is null then 1 else least($5, r.rev - r.known_rev) end
            and n.rev > coalesce(r.known_rev, 0)
        ) m
        union
        select r.range, r.conversation_id, m.seq from ranges r cross join lateral (
          select e.seq from messages e
          where e.conversation_id = r.conversation_id and e.updated_at is not null and e.rev > r.known_rev
            and e.seq <= r.last_seq
          order by e.rev desc limit $5
        ) m
      )
      select w.range, ${messageColumns} from wanted w
      join messages m on m.conversation_id = w.conversation_id and m.seq = w.seq and m.deleted_at is null
      join users u on u.id = m.sender_id
      order by w.range, m.seq`,
    values: [...columnsOf(ranges), limit],
  })
  return rows
}

function columnsOf(ranges: readonly SyncRange[]): unknown[] {
  return [
    ranges.map((r) => r.conversationId),
    ranges.map((r) => r.knownRev),
    ranges.map((r) => r.lastSeq),
    ranges.map((r) => r.rev),
  ]
}

export interface SyncMemberRow extends OfRange {
  conversation_id: string
  user_id: string
  full_name: string
  profile_photo: string | null
  role: 'OWNER' | 'MEMBER'
  joined_seq: number
  last_read_seq: number
  gone: boolean
  /** Changed since the known rev; the others are told for their read marks only. */
  changed: boolean
}

/**
 * People of each range who joined, left or changed since the known rev, and those whose mark has reached `fromSeq` (for
 * readBy of the messages that are told). Where nothing is known, `limit` members.
 */
export async function syncMembers(
  db: Queryable,
  ranges: readonly (SyncRange & { fromSeq: number })[],
  limit: number,
): Promise<SyncMemberRow[]> {
  const { rows } = await db.query<SyncMemberRow>({
    name: 'sync_members',
    text: `
      select r.range, p.*, u.full_name, u.profile_photo
      from unnest($1::uuid[], $2::bigint[], $3::bigint[])
        with ordinality as r (id, known_rev, from_seq, range)
      cross join lateral (
        select q.conversation_id, q.user_id, q.role, q.joined_seq, q.last_read_seq, q.left_at is not null as gone,
          (q.rev > coalesce(r.known_rev, -1) and (r.known_rev is not null
            or row_number() over (order by q.left_at is not null, q.joined_at, q.user_id) <= $4)) as changed
        from participants q
        where q.conversation_id = r.id
          and (q.rev > r.known_rev or (q.left_at is null and (r.known_rev is null or q.last_read_seq >= r.from_seq)))
        order by q.joined_at, q.user_id
      ) p
      join users u on u.id = p.user_id
      order by r.range`,
    values: [ranges.map((r) => r.conversationId), ranges.map((r) => r.knownRev), ranges.map((r) => r.fromSeq), limit],
  })
  return rows
}
