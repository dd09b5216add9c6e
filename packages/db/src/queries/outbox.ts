import type { MessageType } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import type { MessageKey } from './messages.ts'

/** A committed batch of messages that the worker has not processed. */
export interface OutboxRow {
  id: number
  /** The number of messages. */
  messages: number
  /** The process that stored it is no longer alive. */
  orphaned: boolean
  /** Trace contexts (traceparent) by message id; null if no message of the batch is traced. */
  traces: Record<string, string> | null
}

/** How far a process that is alive has published its batches. */
export interface Watermark {
  origin: string
  batch: number
}

/**
 * Takes the oldest rows that are ready: those that their origin reports as published, and those whose origin is no longer
 * alive. They stay locked until the transaction ends; rows locked by another worker are skipped.
 * @param from the lowest id to consider; rows before it are not scanned
 */
export async function takeOutbox(
  tx: Queryable,
  alive: readonly Watermark[],
  limit: number,
  from: number,
): Promise<OutboxRow[]> {
  const { rows } = await tx.query<OutboxRow>({
    name: 'take_outbox',
    text: `
      select o.id, cardinality(o.seqs) as messages, w.origin is null as orphaned, o.traces from outbox o
      left join unnest($1::text[], $2::bigint[]) as w (origin, batch) on w.origin = o.origin
      where o.id >= $4 and (w.origin is null or o.batch <= w.batch)
      order by o.id limit $3 for update of o skip locked`,
    values: [alive.map((w) => w.origin), alive.map((w) => w.batch), limit, from],
  })
  return rows
}

/** Returns the id of the first row, locked or not; undefined if the outbox is empty. */
export async function firstOutboxId(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    name: 'first_outbox_id',
    text: 'select id from outbox order by id limit 1',
  })
  return rows[0]?.id
}

/** A stored message, as the outbox's jobs need it. */
export interface OutboxMessageRow {
  conversation_id: string
  seq: number
  id: string
  sender_id: string
  type: MessageType
  content: string
  attachments: { fileName: string }[] | null
  created_at: string
}

/** Returns the messages of these rows in key order; see outbox_messages() in the migrations. */
export async function listOutboxMessages(db: Queryable, ids: readonly number[]): Promise<OutboxMessageRow[]> {
  const { rows } = await db.query<OutboxMessageRow>({
    name: 'outbox_messages',
    text: 'select * from outbox_messages($1)',
    values: [ids],
  })
  return rows
}

/** Returns the keys of these rows' messages, including deleted ones. */
export async function listOutboxKeys(db: Queryable, ids: readonly number[]): Promise<MessageKey[]> {
  const { rows } = await db.query<MessageKey>({
    name: 'outbox_keys',
    text: `
      select k.conversation_id as "conversationId", k.seq
      from outbox o cross join unnest(o.conversation_ids, o.seqs) as k (conversation_id, seq) where o.id = any ($1::bigint[])`,
    values: [ids],
  })
  return rows
}

/** Deletes batches that have been processed. */
export async function deleteOutbox(tx: Queryable, ids: readonly number[]): Promise<void> {
  await tx.query({ name: 'delete_outbox', text: 'delete from outbox where id = any ($1::bigint[])', values: [ids] })
}

/** Returns the number of rows waiting, and the age of the oldest in milliseconds. */
export async function outboxLag(db: Queryable): Promise<{ rows: number; oldestMs: number }> {
  const { rows } = await db.query<{ rows: number; oldest: number }>({
    name: 'outbox_lag',
    text: `select count(*) as rows, coalesce(extract(epoch from now() - min(created_at)) * 1000, 0)::float8 as oldest from outbox`,
  })
  return { rows: rows[0]?.rows ?? 0, oldestMs: rows[0]?.oldest ?? 0 }
}
