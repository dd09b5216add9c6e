import type { MessageType } from '@parley/protocol'
import type { Queryable } from '../pool.ts'
import type { MessageKey } from './messages.ts'

/** One committed batch of messages that the worker has not yet worked on. */
export interface OutboxRow {
  id: number
  /** How many messages. */
  messages: number
  /** What stored it is no longer alive. */
  orphaned: boolean
  /** Traceparents by message id; null where nothing of the batch is traced. */
  traces: Record<string, string> | null
}

/** How far a living process has published what it stored. */
export interface Watermark {
  origin: string
  batch: number
}

/**
 * Takes the oldest rows that can be worked on: those that their origin says it has published, and those of an origin
 * that is no longer alive. They are locked until the transaction ends; rows that another worker holds are passed over.
 * @param from the least id that they may have; what is before it is not even looked at
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

/** Id of the first row, whoever holds it; undefined where there is none. */
export async function firstOutboxId(db: Queryable): Promise<number | undefined> {
  const { rows } = await db.query<{ id: number }>({
    name: 'first_outbox_id',
    text: 'select id from outbox order by id limit 1',
  })
  return rows[0]?.id
}

/** A stored message as it is seen by the work that is due to it. */
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

/** The messages of these rows, in key order; see outbox_messages() in the migrations. */
export async function listOutboxMessages(db: Queryable, ids: readonly number[]): Promise<OutboxMessageRow[]> {
  const { rows } = await db.query<OutboxMessageRow>({
    name: 'outbox_messages',
    text: 'select * from outbox_messages($1)',
    values: [ids],
  })
  return rows
}

/** Names the messages of these rows, deleted ones too. */
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

/** Batches that have been worked off. */
export async function deleteOutbox(tx: Queryable, ids: readonly number[]): Promise<void> {
  await tx.query({ name: 'delete_outbox', text: 'delete from outbox where id = any ($1::bigint[])', values: [ids] })
}

/** Rows waiting, and the age of the oldest in milliseconds. */
export async function outboxLag(db: Queryable): Promise<{ rows: number; oldestMs: number }> {
  const { rows } = await db.query<{ rows: number; oldest: number }>({
    name: 'outbox_lag',
    text: `select count(*) as rows, coalesce(extract(epoch from now() - min(created_at)) * 1000, 0)::float8 as oldest from outbox`,
  })
  return { rows: rows[0]?.rows ?? 0, oldestMs: rows[0]?.oldest ?? 0 }
}
