import type { ConversationType } from '@parley/protocol'
import type { Queryable } from '../pool.ts'

/** A member who has a device, as a candidate for a push about a message. */
export interface PushCandidateRow {
  conversation_id: string
  user_id: string
  muted: boolean
}

/**
 * Returns the members who have a device and have not read up to the message given for their conversation, except its sender.
 * `offset 0`: see plans.test.ts.
 */
export async function listPushCandidates(
  db: Queryable,
  messages: readonly { conversationId: string; seq: number; senderId: string }[],
): Promise<PushCandidateRow[]> {
  const { rows } = await db.query<PushCandidateRow>({
    name: 'list_push_candidates',
    text: `
      select p.conversation_id, p.user_id, coalesce(p.muted_until > now(), false) as muted
      from unnest($1::uuid[], $2::bigint[], $3::text[]) as m (conversation_id, seq, sender_id)
      cross join lateral (
        select conversation_id, user_id, muted_until from participants
        where conversation_id = m.conversation_id and left_at is null and last_read_seq < m.seq and user_id <> m.sender_id
        offset 0
      ) p
      cross join lateral (select from push_subscriptions where user_id = p.user_id limit 1) s`,
    values: [messages.map((m) => m.conversationId), messages.map((m) => m.seq), messages.map((m) => m.senderId)],
  })
  return rows
}

/** Identifies a person in a conversation. */
export interface MemberKey {
  conversationId: string
  userId: string
}

/** What decides whether and how to notify a person of a conversation. */
export interface PushMemberRow {
  conversation_id: string
  user_id: string
  member: boolean
  muted: boolean
  last_read_seq: number
  /** The conversation's. */
  last_seq: number
  type: ConversationType
  name: string | null
  show_content: boolean
  quiet_start: string | null
  quiet_end: string | null
  time_zone: string | null
}

/** Returns those of these people who are or were members of their conversation. `offset 0`: see plans.test.ts. */
export async function findPushMembers(db: Queryable, keys: readonly MemberKey[]): Promise<PushMemberRow[]> {
  const { rows } = await db.query<PushMemberRow>({
    name: 'find_push_members',
    text: `
      select p.conversation_id, p.user_id, p.left_at is null as member,
        coalesce(p.muted_until > now(), false) as muted, p.last_read_seq, c.last_seq, c.type, c.name,
        coalesce(f.show_content, true) as show_content, f.quiet_start, f.quiet_end, f.time_zone
      from unnest($1::uuid[], $2::text[]) as k (conversation_id, user_id)
      join participants p on p.conversation_id = k.conversation_id and p.user_id = k.user_id
      cross join lateral (select type, name, last_seq from conversations where id = k.conversation_id offset 0) c
      left join push_preferences f on f.user_id = k.user_id`,
    values: [keys.map((k) => k.conversationId), keys.map((k) => k.userId)],
  })
  return rows
}

/** A person's device, and what it shows of one conversation (nulls if nothing). */
export interface PushDeviceRow {
  conversation_id: string
  user_id: string
  id: string
  endpoint: string
  p256dh: string
  auth: string
  retry_at: string | null
  from_seq: number | null
  seq: number | null
  digest: boolean | null
  pushed_at: string | null
}

/** Returns all devices of these people, each with what it was last shown of the conversation. */
export async function listPushDevices(db: Queryable, keys: readonly MemberKey[]): Promise<PushDeviceRow[]> {
  const { rows } = await db.query<PushDeviceRow>({
    name: 'list_push_devices',
    text: `
      select k.conversation_id, k.user_id, s.id, s.endpoint, s.p256dh, s.auth, s.retry_at,
        w.from_seq, w.seq, w.digest, w.pushed_at
      from unnest($1::uuid[], $2::text[]) as k (conversation_id, user_id)
      join push_subscriptions s on s.user_id = k.user_id and s.user_id = any ($2::text[])
      left join push_shown w on w.conversation_id = k.conversation_id and w.user_id = k.user_id
        and w.subscription_id = s.id
      order by s.id`,
    values: [keys.map((k) => k.conversationId), keys.map((k) => k.userId)],
  })
  return rows
}

/** Selects other people's messages in a conversation after a seq, without SYSTEM messages, which notify nobody. */
export interface NewsKey extends MemberKey {
  afterSeq: number
}

export interface NewsRow {
  conversation_id: string
  user_id: string
  after_seq: number
  /** The seq of the newest message, and their number, counted up to 100. */
  seq: number
  count: number
}

/** Counts the messages of each range; returns no row for an empty one. */
export async function countNews(db: Queryable, keys: readonly NewsKey[]): Promise<NewsRow[]> {
  const { rows } = await db.query<NewsRow>({
    name: 'count_news',
    text: `
      select k.conversation_id, k.user_id, k.after_seq, n.seq, n.count
      from unnest($1::uuid[], $2::text[], $3::bigint[]) as k (conversation_id, user_id, after_seq)
      cross join lateral (
        select max(m.seq) as seq, count(*) as count from (
          select seq from messages where conversation_id = k.conversation_id and seq > k.after_seq
            and sender_id <> k.user_id and type <> 'SYSTEM' and deleted_at is null
          order by seq desc limit 100
        ) m
      ) n
      where n.count > 0`,
    values: [keys.map((k) => k.conversationId), keys.map((k) => k.userId), keys.map((k) => k.afterSeq)],
  })
  return rows
}

/** Deletes a device that the push service no longer knows. */
export async function deletePushDevice(db: Queryable, id: string): Promise<void> {
  await db.query({ name: 'delete_push_device', text: 'delete from push_subscriptions where id = $1', values: [id] })
}

/** Records that the push service asked for a pause for this device. A longer pause on record is kept. */
export async function pausePushDevice(db: Queryable, id: string, until: Date): Promise<void> {
  await db.query({
    name: 'pause_push_device',
    text: 'update push_subscriptions set retry_at = greatest(retry_at, $2) where id = $1',
    values: [id, until.toISOString()],
  })
}
