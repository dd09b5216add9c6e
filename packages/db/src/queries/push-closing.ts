import type { Queryable } from '../pool.ts'
import type { MemberKey } from './push-delivery.ts'

export interface ClosingRow {
  id: number
  conversation_id: string
  user_id: string
}

/**
 * Takes requests to close notifications, oldest first. They stay locked until the transaction ends; rows locked by others are
 * skipped.
 * @param from the lowest id to consider; rows before it are not scanned
 */
export async function takeClosings(tx: Queryable, limit: number, from: number): Promise<ClosingRow[]> {
  const { rows } = await tx.query<ClosingRow>({
    name: 'take_closings',
    text: `select id, conversation_id, user_id from push_closings where id >= $2 order by id limit $1 for update skip locked`,
    values: [limit, from],
  })
  return rows
}

/** Returns the id of the first request, locked or not; undefined if there is none. */
export async function firstClosingId(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    name: 'first_closing_id',
    text: 'select id from push_closings order by id limit 1',
  })
  return rows[0]?.id
}

/** Deletes requests that have been queued as jobs. */
export async function deleteClosings(tx: Queryable, ids: readonly number[]): Promise<void> {
  await tx.query({
    name: 'delete_closings',
    text: 'delete from push_closings where id = any ($1::bigint[])',
    values: [ids],
  })
}

/** Deletes all requests; for a worker without push, which has nothing to close. */
export async function dropClosings(db: Queryable): Promise<void> {
  await db.query({ name: 'drop_closings', text: 'delete from push_closings' })
}

/** A device that shows a notification of messages that its owner has read or may no longer see. */
export interface StaleNotificationRow {
  id: string
  endpoint: string
  p256dh: string
  auth: string
  retry_at: string | null
  seq: number
  digest: boolean
  /** In milliseconds since 1970; 0 if nothing has been shown yet. */
  pushed_at_ms: number
  /** The number of other conversations in the same summary on this device that are still unread. */
  others: number
}

/** Returns the person's devices that still show notifications of this conversation, summaries included, after it was read. */
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

/** A device that is to close its summary. */
export type SummaryDeviceRow = Pick<StaleNotificationRow, 'id' | 'endpoint' | 'p256dh' | 'auth' | 'retry_at'>

/** Returns a person's device if its summary has no unread conversation left, including any added meanwhile. */
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

/** A conversation with unread messages since some time. */
export interface HeldConversationRow {
  conversation_id: string
  last_read_seq: number
}

/** Returns up to 100 unmuted conversations of a person with unread activity since `since`, most recent first. */
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
