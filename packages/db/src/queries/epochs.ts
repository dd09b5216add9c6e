import type { Queryable } from '../pool.ts'

/** A section of the database's history. If it is `lossy`, commits before `began_at` may be missing. */
export interface EpochRow {
  id: string
  lossy: boolean
  began_at: string
}

/** Returns the latest hundred epochs, the current one first; it is recorded if it is new. See 0019_epochs. */
export async function knownEpochs(db: Queryable): Promise<EpochRow[]> {
  const { rows } = await db.query<EpochRow>({ name: 'known_epochs', text: 'select * from known_epochs()' })
  return rows
}

/** Returns the newest recorded epoch's id; undefined if there is none. */
export async function newestEpoch(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ id: string }>({
    name: 'newest_epoch',
    text: 'select id from epochs order by no desc limit 1',
  })
  return rows[0]?.id
}

/** A conversation whose messages after `at` may belong to another history. */
export interface CutConversation {
  id: string
  lastSeq: number
  at: string
}

/**
 * Returns for each conversation the seq of the newest message stored by then, 0 if there was none.
 *
 * `created_at` rises with seq, so a binary search finds it: some twenty lookups by primary key, however many messages came since.
 */
export async function seqsBefore(db: Queryable, conversations: readonly CutConversation[]): Promise<number[]> {
  const { rows } = await db.query<{ seq: number }>({
    name: 'seqs_before',
    text: `
      with recursive halves as (
        select no, id, at, 0::bigint as low, last_seq + 1 as high
        from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) with ordinality as c (id, last_seq, at, no)
        union all
        select h.no, h.id, h.at, case when m.seq is null then h.middle else h.low end, coalesce(m.seq, h.high)
        from (select *, (low + high) / 2 as middle from halves where high - low > 1) h
        left join lateral (
          select * from (
            select seq, created_at from messages
            where conversation_id = h.id and seq > h.low and seq <= h.middle order by seq desc limit 1
          ) n where n.created_at > h.at
        ) m on true
      )
      select low as seq from halves where high - low <= 1 order by no`,
    values: [conversations.map((c) => c.id), conversations.map((c) => c.lastSeq), conversations.map((c) => c.at)],
  })
  return rows.map(({ seq }) => seq)
}
