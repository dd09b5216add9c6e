import type { ParticipantRole } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import type { UserRow } from './users.ts'

export interface ParticipantRow extends UserRow {
  conversation_id: string
  role: ParticipantRole
  last_read_seq: number
}

export interface ParticipantsQuery {
  conversationId: string
  askerId: string
  limit: number
}

/** Returns for each query the members of its conversation: `askerId` last, the others in the order they joined. */
export async function listParticipants(
  db: Queryable,
  queries: readonly ParticipantsQuery[],
): Promise<ParticipantRow[][]> {
  const { rows } = await db.query<ParticipantRow & { place: number }>({
    name: 'list_participants',
    text: `
      select q.place, p.*, u.id, u.full_name, u.profile_photo, u.last_seen_at
      from unnest($1::uuid[], $2::text[], $3::int[]) with ordinality as q (conversation_id, asker_id, most, place)
      cross join lateral (
        select conversation_id, user_id, role, last_read_seq, joined_at from participants
        where conversation_id = q.conversation_id and left_at is null
        -- Sorted first, the asker is always within the limit.
        order by user_id <> q.asker_id, joined_at, user_id limit q.most
      ) p
      join users u on u.id = p.user_id
      order by q.place, p.user_id = q.asker_id, p.joined_at, p.user_id`,
    values: [queries.map((q) => q.conversationId), queries.map((q) => q.askerId), queries.map((q) => q.limit)],
  })
  const found = Map.groupBy(rows, (row) => row.place)
  return queries.map((_, index) => found.get(index + 1) ?? [])
}

/** Those of these users who are in `most` conversations or more. Reads at most so many rows of each. */
export async function findInMany(db: Queryable, userIds: readonly string[], most: number): Promise<string[]> {
  const { rows } = await db.query<{ user_id: string }>({
    name: 'find_in_many',
    text: `
      select a.user_id from unnest($1::text[]) as a (user_id)
      where (
        select count(*) from (select 1 from participants where user_id = a.user_id and left_at is null limit $2) p
      ) >= $2`,
    values: [userIds, most],
  })
  return rows.map((row) => row.user_id)
}

export interface MembershipRow {
  user_id: string
  conversation_ids: string[]
  /** The seq of each conversation's newest message, in the same order. */
  last_seqs: number[]
  /** The number of members of each, in the same order. */
  participant_counts: number[]
}

/**
 * Returns all conversations of each person who has any, one row per person; one query serves everyone who connects at the
 * same time. Lists are returned as JSON: the driver takes several times as long to parse rows or Postgres arrays.
 * `offset 0`: see plans.test.ts.
 */
export async function listMemberships(db: Queryable, userIds: readonly string[]): Promise<MembershipRow[]> {
  const { rows } = await db.query<MembershipRow>({
    name: 'list_memberships',
    text: `
      select a.user_id, json_agg(p.conversation_id) as conversation_ids, json_agg(c.last_seq) as last_seqs,
        json_agg(c.participant_count) as participant_counts
      from unnest($1::text[]) as a (user_id)
      cross join lateral (select conversation_id from participants where user_id = a.user_id and left_at is null offset 0) p
      cross join lateral (select last_seq, participant_count from conversations where id = p.conversation_id offset 0) c
      group by a.user_id`,
    values: [userIds],
  })
  return rows
}

/** Returns a person's conversations with unread messages and the number of those: the difference of two counters. */
export async function listUnread(
  db: Queryable,
  userId: string,
): Promise<{ conversation_id: string; unread_count: number }[]> {
  const { rows } = await db.query<{ conversation_id: string; unread_count: number }>({
    name: 'list_unread',
    text: `
      select c.id as conversation_id, c.last_seq - p.last_read_seq as unread_count
      from participants p join conversations c on c.id = p.conversation_id
      where p.user_id = $1 and p.left_at is null and c.last_seq > p.last_read_seq
      order by c.last_message_at desc`,
    values: [userId],
  })
  return rows
}

/**
 * Returns the people to whom each person's presence is shown: everyone else in a conversation of at most `groupSize` members
 * with them, up to 5,000 for each. No row is returned for a person without contacts. `offset 0`: see plans.test.ts.
 */
export async function listContacts(
  db: Queryable,
  userIds: readonly string[],
  groupSize: number,
): Promise<{ user_id: string; contact_ids: string[] }[]> {
  const { rows } = await db.query<{ user_id: string; contact_ids: string[] }>({
    name: 'list_contacts',
    text: `
      select a.user_id, c.contact_ids from unnest($1::text[]) as a (user_id)
      cross join lateral (
        select json_agg(user_id) as contact_ids from (
          select distinct o.user_id
          from (select conversation_id from participants where user_id = a.user_id and left_at is null offset 0) p
          cross join lateral (
            select id from conversations where id = p.conversation_id and participant_count <= $2 offset 0
          ) c
          cross join lateral (
            select user_id from participants where conversation_id = c.id and left_at is null and user_id <> a.user_id offset 0
          ) o
          limit 5000
        ) contacts
      ) c
      where c.contact_ids is not null`,
    values: [userIds, groupSize],
  })
  return rows
}

/** Returns the current members of a conversation among `userIds`, or all of them if it is null, in no particular order. */
export async function membersAmong(
  db: Queryable,
  conversationId: string,
  userIds: readonly string[] | null,
): Promise<ParticipantRow[]> {
  const { rows } = await db.query<ParticipantRow>({
    text: `select p.conversation_id, p.role, p.last_read_seq, u.id, u.full_name, u.profile_photo, u.last_seen_at
      from participants p join users u on u.id = p.user_id
      where p.conversation_id = $1 and ($2::text[] is null or p.user_id = any ($2)) and p.left_at is null`,
    values: [conversationId, userIds],
  })
  return rows
}

/**
 * Adds new or returning members to a conversation, with everything marked as read. The caller holds the conversation's lock
 * and passes only people who are not members.
 */
export async function addParticipants(
  tx: Queryable,
  conversationId: string,
  userIds: readonly string[],
): Promise<void> {
  await tx.query({
    text: `
      with c as (
        update conversations set rev = rev + 1, participant_count = participant_count + cardinality($2::text[])
        where id = $1 returning id, last_seq, rev
      )
      insert into participants (conversation_id, user_id, joined_seq, last_read_seq, rev)
      select c.id, u.id, c.last_seq, c.last_seq, c.rev from c, unnest($2::text[]) as u (id)
      on conflict (conversation_id, user_id) do update set joined_seq = excluded.joined_seq,
        last_read_seq = excluded.last_read_seq, rev = excluded.rev, joined_at = now(), left_at = null, muted_until = null`,
    values: [conversationId, userIds],
  })
}

/**
 * Removes a member from a conversation; the caller holds the conversation's lock. If the owner leaves, the member of
 * longest standing becomes the owner.
 */
export async function removeParticipant(tx: Queryable, conversationId: string, userId: string): Promise<void> {
  await tx.query({
    text: `
      with c as (
        update conversations set rev = rev + 1, participant_count = participant_count - 1 where id = $1 returning id, rev
      ), heir as (
        select p.conversation_id, p.user_id from participants p
        join participants gone on gone.conversation_id = p.conversation_id and gone.user_id = $2 and gone.role = 'OWNER'
        where p.conversation_id = $1 and p.left_at is null and p.user_id <> $2
        order by p.joined_at, p.user_id limit 1
      )
      update participants p set rev = c.rev, left_at = case when p.user_id = $2 then now() else p.left_at end,
        role = (case when p.user_id = $2 then 'MEMBER' else 'OWNER' end)::participant_role
      from c where p.conversation_id = c.id and (p.user_id = $2 or p.user_id = (select user_id from heir))`,
    values: [conversationId, userId],
  })
}
