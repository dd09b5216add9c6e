import type { Queryable } from '../pool.ts'
import type { MemberKey, NewsKey } from './push-delivery.ts'

/** What a device was just shown. */
export interface ShownRecord extends MemberKey {
  subscriptionId: string
  fromSeq: number
  seq: number
  digest: boolean
}

/**
 * Records what devices now show. If the person has meanwhile read that far, the closing is recorded here as well: the read mark
 * moved too early for the trigger to see this record. Devices that are gone, or now belong to another person, are skipped.
 * Locks the devices in the order of their ids, then the records in key order, as do the removal and reassignment of devices.
 */
export async function recordShown(db: Queryable, records: readonly ShownRecord[]): Promise<void> {
  const column = <T>(pick: (record: ShownRecord) => T): T[] => records.map(pick)
  await db.query({
    name: 'record_shown',
    text: `
      with told as (
        select distinct on (t.conversation_id, t.user_id, s.id) t.conversation_id, t.user_id, s.id, t.from_seq, t.seq, t.digest
        from (
          select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::bigint[], $6::boolean[])
            as t (conversation_id, user_id, subscription_id, from_seq, seq, digest)
          order by t.subscription_id
        ) t
        cross join lateral (select id, user_id from push_subscriptions where id = t.subscription_id for no key update) s
        where s.user_id = t.user_id
        order by t.conversation_id, t.user_id, s.id, t.seq desc
      ), well as (
        update push_subscriptions set last_ok_at = now(), retry_at = null
        where id = any ($3::uuid[]) and (last_ok_at is null or last_ok_at < now() - interval '1 hour' or retry_at is not null)
      )
      insert into push_shown (conversation_id, user_id, subscription_id, from_seq, seq, digest)
      select * from told
      on conflict (conversation_id, user_id, subscription_id) do update
        set from_seq = excluded.from_seq, seq = excluded.seq, digest = excluded.digest, pushed_at = now()
        where push_shown.seq <= excluded.seq`,
    values: [
      column((r) => r.conversationId),
      column((r) => r.userId),
      column((r) => r.subscriptionId),
      column((r) => r.fromSeq),
      column((r) => r.seq),
      column((r) => r.digest),
    ],
  })
  await noteRead(db, records)
}

/**
 * Records closings for conversations that were read, or left, before the record was written. The trigger of a read mark that is
 * just moving may not have seen the record, and the new mark is invisible until committed, so this waits for its lock: one mark
 * at a time, as holding one while waiting for the next could deadlock.
 */
async function noteRead(db: Queryable, records: readonly ShownRecord[]): Promise<void> {
  const settled = await noteReadOf(db, records, 'skip locked')
  for (const record of records) {
    if (!settled.has(memberOf(record))) await noteReadOf(db, [record], '')
  }
}

/** @returns the members whose read marks were checked */
async function noteReadOf(
  db: Queryable,
  records: readonly ShownRecord[],
  locked: 'skip locked' | '',
): Promise<Set<string>> {
  const { rows } = await db.query<{ conversation_id: string; user_id: string }>({
    name: locked === '' ? 'note_read' : 'note_read_unlocked',
    text: `
      with looked_at as (
        select p.*, r.seq
        from unnest($1::uuid[], $2::text[], $3::bigint[]) as r (conversation_id, user_id, seq)
        cross join lateral (
          select conversation_id, user_id, last_read_seq, left_at from participants
          where conversation_id = r.conversation_id and user_id = r.user_id for share ${locked}
        ) p
      ), late as (
        insert into push_closings (conversation_id, user_id)
        select distinct conversation_id, user_id from looked_at where last_read_seq >= seq or left_at is not null
      )
      select conversation_id, user_id from looked_at`,
    values: [records.map((r) => r.conversationId), records.map((r) => r.userId), records.map((r) => r.seq)],
  })
  return new Set(rows.map((row) => row.conversation_id + row.user_id))
}

function memberOf({ conversationId, userId }: MemberKey): string {
  return conversationId + userId
}

/**
 * Records that a device that shows nothing of a conversation could not be notified of the messages after `afterSeq`, so that the
 * next job to reach it covers them all. `pushed_at` 1970 means that nothing is on the screen. Does nothing if the device is gone
 * or belongs to another person.
 */
export async function noteOwed(
  db: Queryable,
  { conversationId, userId, afterSeq }: NewsKey,
  subscriptionId: string,
): Promise<void> {
  await db.query({
    name: 'note_owed',
    text: `
      insert into push_shown (conversation_id, user_id, subscription_id, from_seq, seq, pushed_at)
      select $1, $2, id, $4::bigint + 1, $4, 'epoch' from push_subscriptions where id = $3 and user_id = $2 for key share
      on conflict do nothing`,
    values: [conversationId, userId, subscriptionId, afterSeq],
  })
}

/** Deletes the record of a notification up to `seq`: the device was told to close it, or need not be. Keeps a newer one. */
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
