import type { Queryable } from '../pool.ts'
import type { MemberKey } from './push-delivery.ts'

export interface ClosingRow {
  id: number
  conversation_id: string
  user_id: string
}

/**
 * Notifications that are to be closed, the oldest first; locked until the transaction ends, others' rows passed over.
 * @param from the least id that they may have; what is before it is not even looked at
 */
export async function takeClosings(tx: Queryable, limit: number, from: number): Promise<ClosingRow[]> {
  const { rows } = await tx.query<ClosingRow>({
    name: 'take_closings',
    text: `select id, conversation_id, user_id from push_closings where id >= $2 order by id limit $1 for update skip locked`,
    values: [limit, from],
  })
  return rows
}

/** Id of the first of them, whoever holds it; undefined where there is none. */
export async function firstClosingId(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    name: 'first_closing_id',
    text: 'select id from push_closings order by id limit 1',
  })
  return rows[0]?.id
}

/** Closings that are in the queue. */
export async function deleteClosings(tx: Queryable, ids: readonly number[]): Promise<void> {
  await tx.query({
    name: 'delete_closings',
    text: 'delete from push_closings where id = any ($1::bigint[])',
    values: [ids],
  })
}

/** Where no pushes are sent nothing is closed. */
export async function dropClosings(db: Queryable): Promise<void> {
  await db.query({ name: 'drop_closings', text: 'delete from push_closings' })
}

/** A device that shows a notification of what its person has read, or may no longer see. */
export interface StaleNotificationRow {
  id: string
  endpoint: string
  p256dh: string
  auth: string
  retry_at: string | null
  seq: number
  digest: boolean
  /** In ms since 1970; 0 where nothing has been shown yet. */
  pushed_at_ms: number
  /** Other conversations that the same summary on this device tells of and that are still unread. */
  others: number
}

/** What devices of this person still show of this conversation though it has been read, digests included. */
export async function listStaleNotifications(
  db: Queryable,
  { conversationId, userId }: MemberKey,
): Promise<StaleNotificationRow[]> {
  const { rows } = await db.query<StaleNotificationRow>({
    name: 'list_stale_notifications',
    text: `
      select s.id, s.endpoint, s.p256dh, s.auth, s.retry_at, w.seq, w.digest,
        (extract(epoch from w.pushed_at) * 1000)::float8 as pushed_at_ms, (
          select count(*) from push_shown o
          join participants q on q.conversation_id = o.conversation_id and q.user_id = o.user_id
            and q.left_at is null and q.last_read_seq < o.seq
          where o.subscription_id = s.id and o.digest and w.digest and o.conversation_id <> w.conversation_id
        ) as others
      from push_shown w
      join push_subscriptions s on s.id = w.subscription_id
      left join participants p on p.conversation_id = w.conversation_id and p.user_id = w.user_id
      where w.conversation_id = $1 and w.user_id = $2
        and (p.user_id is null or p.left_at is not null or p.last_read_seq >= w.seq)`,
    values: [conversationId, userId],
  })
  return rows
}

/** A device as it is told to close its summary. */
export type SummaryDeviceRow = Pick<StaleNotificationRow, 'id' | 'endpoint' | 'p256dh' | 'auth' | 'retry_at'>

/** A person's device whose summary tells of nothing that is unread any more, and has not been told of otherwise since. */
export async function findEmptySummary(
  db: Queryable,
  userId: string,
  subscriptionId: string,
): Promise<SummaryDeviceRow | undefined> {
  const { rows } = await db.query<SummaryDeviceRow>({
    name: 'find_empty_summary',
    text: `
      select s.id, s.endpoint, s.p256dh, s.auth, s.retry_at from push_subscriptions s
      where s.id = $2 and s.user_id = $1 and not exists (
        select from push_shown o
        join participants q on q.conversation_id = o.conversation_id and q.user_id = o.user_id
          and q.left_at is null and q.last_read_seq < o.seq
        where o.subscription_id = s.id and o.digest)`,
    values: [userId, subscriptionId],
  })
  return rows[0]
}

/** The device was told to close it, or is not worth telling. A newer notification stays. */
export async function forgetShown(
  db: Queryable,
  { conversationId, userId }: MemberKey,
  subscriptionId: string,
  seq: number,
): Promise<void> {
  await db.query({
    name: 'forget_shown',
    text: `delete from push_shown
      where conversation_id = $1 and user_id = $2 and subscription_id = $3 and seq <= $4`,
    values: [conversationId, userId, subscriptionId, seq],
  })
}

/** A conversation with something unread that came at or after a moment. */
export interface HeldConversationRow {
  conversation_id: string
  last_read_seq: number
}

/** Conversations of a person, not muted, in which something came since `since` and is unread; the newest first, 100 at most. */
export async function listHeldConversations(
  db: Queryable,
  userId: string,
  since: string,
): Promise<HeldConversationRow[]> {
  const { rows } = await db.query<HeldConversationRow>({
    name: 'list_held_conversations',
    text: `
      select p.conversation_id, p.last_read_seq
      from participants p join conversations c on c.id = p.conversation_id
      where p.user_id = $1 and p.left_at is null and coalesce(p.muted_until <= now(), true)
        and c.last_seq > p.last_read_seq and c.last_message_at >= $2
      order by c.last_message_at desc limit 100`,
    values: [userId, since],
  })
  return rows
}
