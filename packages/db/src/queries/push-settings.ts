import type { PushPreferencesBody } from '@parley/protocol'
import type { Queryable } from '../pool.ts'

/** A registered device. */
export interface PushSubscriptionRow {
  id: string
  user_id: string
  endpoint: string
  created_at: string
}

export interface NewPushSubscription {
  id: string
  userId: string
  endpoint: string
  p256dh: string
  auth: string
  /** When the registering person's token was issued; null if one of the product's servers registers the device for them. */
  issuedAt: Date | null
}

/**
 * Registers a device. A known endpoint keeps its row and moves to this person; what it showed of the previous person's
 * conversations is forgotten. Of a person's devices beyond `maxPerUser`, the oldest are deleted. Locks the person, against a
 * concurrent revocation of tokens, and then rows in the order of recordShown().
 * @returns undefined, with nothing written, if the token has been revoked
 */
export async function savePushSubscription(
  db: Queryable,
  { id, userId, endpoint, p256dh, auth, issuedAt }: NewPushSubscription,
  maxPerUser: number,
): Promise<PushSubscriptionRow | undefined> {
  const { rows } = await db.query<PushSubscriptionRow>({
    text: `
      with owner as (
        select u.id from users u
        where u.id = $2 and ($7::timestamptz is null or coalesce(date_trunc('milliseconds', u.tokens_valid_from) <= $7, true))
        for share
      ), devices as (
        select s.id, s.user_id, s.endpoint, s.created_at from owner o cross join lateral (
          select * from push_subscriptions where user_id = o.id or endpoint = $3 order by id for update
        ) s
      ), forgotten as (
        delete from push_shown where user_id <> $2 and subscription_id = (select d.id from devices d where d.endpoint = $3)
      ), surplus as (
        delete from push_subscriptions where id in (
          select d.id from devices d where d.user_id = $2 and d.endpoint <> $3
          order by d.created_at desc, d.id offset $6 - 1
        )
      )
      insert into push_subscriptions (id, user_id, endpoint, p256dh, auth)
      select $1, id, $3, $4, $5 from owner cross join (select count(*) from devices) locked
      on conflict (endpoint) do update set user_id = $2, p256dh = $4, auth = $5, retry_at = null
      returning id, user_id, endpoint, created_at`,
    values: [id, userId, endpoint, p256dh, auth, maxPerUser, issuedAt?.toISOString() ?? null],
  })
  return rows[0]
}

/** Returns a person's devices, newest first. */
export async function listPushSubscriptions(db: Queryable, userId: string): Promise<PushSubscriptionRow[]> {
  const { rows } = await db.query<PushSubscriptionRow>({
    text: `select id, user_id, endpoint, created_at from push_subscriptions where user_id = $1
      order by created_at desc, id`,
    values: [userId],
  })
  return rows
}

/** Deletes one of this person's devices, by its id or endpoint. @returns whether it existed */
export async function removePushSubscription(
  db: Queryable,
  userId: string,
  device: { id: string } | { endpoint: string },
): Promise<boolean> {
  const [column, value] = 'id' in device ? ['id', device.id] : ['endpoint', device.endpoint]
  const { rowCount } = await db.query({
    text: `delete from push_subscriptions where user_id = $1 and ${column} = $2`,
    values: [userId, value],
  })
  return rowCount === 1
}

export interface PushPreferencesRow {
  show_content: boolean
  /** Local times `HH:MM` in `time_zone`; all three or none. */
  quiet_start: string | null
  quiet_end: string | null
  time_zone: string | null
}

/** Returns a person's push preferences; undefined if they have set none. */
export async function findPushPreferences(db: Queryable, userId: string): Promise<PushPreferencesRow | undefined> {
  const { rows } = await db.query<PushPreferencesRow>({
    text: 'select show_content, quiet_start, quiet_end, time_zone from push_preferences where user_id = $1',
    values: [userId],
  })
  return rows[0]
}

/**
 * Sets the given preferences and keeps the rest. It is one statement, so that two devices that set different preferences at the
 * same time do not undo each other's.
 * @returns the resulting preferences
 */
export async function savePushPreferences(
  db: Queryable,
  userId: string,
  { showContent, quietHours }: PushPreferencesBody,
): Promise<PushPreferencesRow> {
  const { rows } = await db.query<PushPreferencesRow>({
    text: `
      insert into push_preferences as p (user_id, show_content, quiet_start, quiet_end, time_zone)
      values ($1, coalesce($2::boolean, true), $4, $5, $6)
      on conflict (user_id) do update set
        show_content = coalesce($2::boolean, p.show_content),
        quiet_start = case when $3::boolean then excluded.quiet_start else p.quiet_start end,
        quiet_end = case when $3::boolean then excluded.quiet_end else p.quiet_end end,
        time_zone = case when $3::boolean then excluded.time_zone else p.time_zone end
      returning show_content, quiet_start, quiet_end, time_zone`,
    values: [
      userId,
      showContent ?? null,
      quietHours !== undefined,
      quietHours?.start ?? null,
      quietHours?.end ?? null,
      quietHours?.timeZone ?? null,
    ],
  })
  const [row] = rows
  if (row === undefined) throw new Error('the upsert returned no row')
  return row
}

/** Mutes a conversation for a member until a time; null unmutes it. @returns undefined if the person is not a member */
export async function muteConversation(
  db: Queryable,
  conversationId: string,
  userId: string,
  until: string | null,
): Promise<MuteRow | undefined> {
  const { rows } = await db.query<MuteRow>({
    text: `
      update participants set muted_until = $3 where conversation_id = $1 and user_id = $2 and left_at is null
      returning conversation_id, muted_until`,
    values: [conversationId, userId, until],
  })
  return rows[0]
}

export interface MuteRow {
  conversation_id: string
  muted_until: string | null
}

/** Returns a person's conversations that are muted now. Uses the index on participants' user_id. */
export async function listMutes(db: Queryable, userId: string): Promise<MuteRow[]> {
  const { rows } = await db.query<MuteRow>({
    text: `
      select conversation_id, muted_until from participants
      where user_id = $1 and left_at is null and muted_until > now()`,
    values: [userId],
  })
  return rows
}
