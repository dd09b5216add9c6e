import type { ConversationType, ParticipantRole } from '@parley/protocol'
import { FIRST_ID, LAST_ID } from '../id-range.ts'
import type { Queryable } from '../pool.ts'
import { type MessageRow, messageColumns } from './messages.ts'

/** One person's query: what has changed in the conversations with `after < id <= until`; null for no bound. */
export interface SyncQuestion {
  userId: string
  /** The revs that the person's client has, by conversation id. */
  known: Readonly<Record<string, number>>
  after: string | null
  until: string | null
}

/** A conversation that has changed for the person who asks. */
export interface ChangedHeadRow {
  /** The position of the query, from 1. */
  no: number
  id: string
  type: ConversationType
  name: string | null
  created_by: string
  participant_count: number
  last_seq: number
  rev: number
  created_at: string
  last_message_at: string
  last_read_seq: number
  joined_seq: number
  /** Null if the query did not list this conversation. */
  known_rev: number | null
}

/** A conversation that the query listed and the person is not a member of. */
export interface LeftHeadRow {
  no: number
  id: string
  type: null
}

export type SyncHeadRow = ChangedHeadRow | LeftHeadRow

/**
 * Returns the changed conversations for each query in the order of their ids, at most `limit` for each, and the listed
 * conversations that the person is not a member of. It takes one statement for any number of people and conversations, and a
 * second one if somebody is not a member of all they listed.
 *
 * Reads at most `limit` conversations of each person more than they listed, as the listed ones may be unchanged: without this
 * bound, each page of 300 read all 50,000 conversations of a person. If the bound is reached before the last listed conversation,
 * the second statement checks the remaining ones.
 *
 * Plan: participants_user for each person; for each row, conversations by primary key and a lookup in the jsonb of known revs
 * (whose keys are sorted). `offset 0`, like `limit`, keeps it so: see plans.test.ts.
 */
export async function syncHeads(
  db: Queryable,
  questions: readonly SyncQuestion[],
  limit: number,
): Promise<SyncHeadRow[]> {
  const named = questions.map(({ known, after, until }) =>
    Object.keys(known).filter((id) => (after === null || id > after) && (until === null || id <= until)),
  )
  const { rows } = await db.query<ChangedHeadRow | { no: number; id: null }>({
    name: 'sync_heads',
    text: `
      with asked as (
        select * from unnest($1::text[], $2::jsonb[], $3::uuid[], $4::uuid[], $5::int[])
          with ordinality as a (user_id, known, after_id, until_id, named, no)
      ), mine as materialized (
        select a.no, a.named, c.id, c.rev, p.last_read_seq, p.joined_seq, (a.known ->> c.id::text)::bigint as known_rev
        from asked a
        left join lateral (
          select conversation_id, last_read_seq, joined_seq from participants
          where user_id = a.user_id and left_at is null and conversation_id > a.after_id and conversation_id <= a.until_id
          order by conversation_id limit a.named + $6
        ) p on true
        left join lateral (select id, rev from conversations where id = p.conversation_id offset 0) c on true
      ), changed as (
        select *, row_number() over (partition by no order by id) as nth from mine
        where id is not null and known_rev is distinct from rev
      )
      select m.no, m.id, c.type, c.name, c.created_by, c.participant_count, c.last_seq, c.rev, c.created_at,
        c.last_message_at, m.last_read_seq, m.joined_seq, m.known_rev
      from changed m cross join lateral (select * from conversations where id = m.id offset 0) c
      where m.nth <= $6
      union all
      select no, null, null, null, null, null, null, null, null, null, null, null, null
      from mine group by no having count(known_rev) < max(named)`,
    values: [
      questions.map((q) => q.userId),
      questions.map((q) => JSON.stringify(q.known)),
      questions.map((q) => q.after ?? FIRST_ID),
      questions.map((q) => q.until ?? LAST_ID),
      named.map((ids) => ids.length),
      limit,
    ],
  })
  const heads: SyncHeadRow[] = []
  const doubtful: NamedConversation[] = []
  for (const row of rows) {
    if (row.id !== null) heads.push(row)
    else {
      const userId = questions[row.no - 1]?.userId ?? ''
      for (const id of named[row.no - 1] ?? []) doubtful.push({ no: row.no, id, userId })
    }
  }
  if (doubtful.length > 0) heads.push(...(await findLeft(db, doubtful)))
  return heads.sort((a, b) => a.no - b.no || (a.id < b.id ? -1 : 1))
}

interface NamedConversation {
  no: number
  id: string
  userId: string
}

/** Returns the conversations that their person is not a member of. Plan: a scalar subquery by primary key for each. */
async function findLeft(db: Queryable, named: readonly NamedConversation[]): Promise<LeftHeadRow[]> {
  const { rows } = await db.query<LeftHeadRow>({
    name: 'sync_left',
    text: `
      select n.no, n.id, null as type
      from unnest($1::int[], $2::uuid[], $3::text[]) as n (no, id, user_id)
      where (select true from participants p
        where p.conversation_id = n.id and p.user_id = n.user_id and p.left_at is null) is null`,
    values: [named.map((n) => n.no), named.map((n) => n.id), named.map((n) => n.userId)],
  })
  return rows
}

/** A conversation, and the rev since which its changes are wanted. */
export interface SyncRange {
  conversationId: string
  /** Null if the client does not know the conversation. */
  knownRev: number | null
  lastSeq: number
  rev: number
}

/** The range that a row belongs to, from 1. */
export interface OfRange {
  range: number
}

/**
 * Returns the new and the changed messages of each range: at most `limit` new ones (the newest) and `limit` changed ones.
 *
 * New messages need no index on rev: each took a rev of its own, so there are at most `rev - knownRev` of them, and they have
 * the highest seqs. Changed older ones come from the partial index messages_changed. For an unknown conversation, only the
 * newest message is returned. `offset 0`: see plans.test.ts.
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
          offset 0
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
      cross join lateral (
        select * from messages where conversation_id = w.conversation_id and seq = w.seq and deleted_at is null offset 0
      ) m
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
  role: ParticipantRole
  joined_seq: number
  last_read_seq: number
  gone: boolean
  /** Whether the member changed since the known rev; the others are listed only for their read marks. */
  changed: boolean
}

/**
 * Returns the people of each range who joined, left or changed since the known rev, and those whose read mark has reached
 * `fromSeq` (for readBy of the returned messages). For an unknown conversation, `limit` members count as changed.
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
            or row_number() over (order by q.joined_at, q.user_id) <= $4)) as changed
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
