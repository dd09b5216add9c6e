import type { Queryable } from '../pool.ts'

export interface ReadRequest {
  conversationId: string
  userId: string
  messageId: string
}

export interface ReadRow {
  ord: number
  /** Null if there is no such message. */
  seq: number | null
  advanced: boolean
  rev: number
  read_at: string
}

/** Moves read marks forward in one round trip; see mark_read() in the migrations. Returns no row for a non-member. */
export async function markRead(db: Queryable, batch: readonly ReadRequest[]): Promise<ReadRow[]> {
  const { rows } = await db.query<ReadRow>({
    name: 'mark_read',
    text: 'select * from mark_read($1, $2, $3)',
    values: [batch.map((r) => r.conversationId), batch.map((r) => r.userId), batch.map((r) => r.messageId)],
  })
  return rows
}

export interface ReadMarkRow {
  conversation_id: string
  user_id: string
  joined_seq: number
  last_read_seq: number
}

/**
 * Returns the read marks of each conversation's members who have read up to `fromSeq` or further, in the order they joined. If
 * a conversation is listed more than once, the lowest `fromSeq` counts. `offset 0`: see plans.test.ts.
 */
export async function listReadMarks(
  db: Queryable,
  ranges: readonly { conversationId: string; fromSeq: number }[],
): Promise<ReadMarkRow[]> {
  const lowest = new Map<string, number>()
  for (const { conversationId, fromSeq } of ranges) {
    lowest.set(conversationId, Math.min(fromSeq, lowest.get(conversationId) ?? fromSeq))
  }
  const { rows } = await db.query<ReadMarkRow>({
    name: 'list_read_marks',
    text: `
      select p.conversation_id, p.user_id, p.joined_seq, p.last_read_seq
      from unnest($1::uuid[], $2::bigint[]) as r (conversation_id, from_seq)
      cross join lateral (
        select * from participants where conversation_id = r.conversation_id and left_at is null and last_read_seq >= r.from_seq
        offset 0
      ) p
      order by p.joined_at, p.user_id`,
    values: [[...lowest.keys()], [...lowest.values()]],
  })
  return rows
}
