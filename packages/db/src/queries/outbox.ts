import type { Queryable } from '../pool.ts'

/** One committed batch of messages that the worker has not yet worked on. */
export interface OutboxRow {
  id: number
  origin: string
  batch: number
  conversation_ids: string[]
  seqs: number[]
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
 */
export async function takeOutbox(tx: Queryable, alive: readonly Watermark[], limit: number): Promise<OutboxRow[]> {
  const { rows } = await tx.query<OutboxRow>({
    name: 'take_outbox',
    text: `
      select o.id, o.origin, o.batch, o.conversation_ids, o.seqs, o.traces from outbox o
      left join unnest($1::text[], $2::bigint[]) as w (origin, batch) on w.origin = o.origin
      where w.origin is null or o.batch <= w.batch
      order by o.id limit $3 for update of o skip locked`,
    values: [alive.map((w) => w.origin), alive.map((w) => w.batch), limit],
  })
  return rows
}

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
