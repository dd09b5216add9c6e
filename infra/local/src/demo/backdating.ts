import { setTimeout as delay } from 'node:timers/promises'
import type pg from 'pg'

const OUTBOX_BOUND_MS = 5_000
const OUTBOX_POLL_MS = 50

/**
 * Backdates messages that have just been stored. No API can do that, and none should: this is only for demo conversations that
 * nobody has seen yet.
 */
export class Backdating {
  readonly #conversations: string[] = []
  readonly #seqs: number[] = []
  readonly #times: string[] = []

  /** Times must increase with seq within a conversation. */
  add(conversationId: string, seq: number, at: Date): void {
    this.#conversations.push(conversationId)
    this.#seqs.push(seq)
    this.#times.push(at.toISOString())
  }

  /** Waits until the worker has processed the messages, as it indexes their times, then updates everything in one transaction. */
  async apply(database: pg.Client, signal: AbortSignal): Promise<void> {
    await outboxEmpty(database, signal)
    await database.query('begin')
    try {
      await database.query(
        `create temporary table dated on commit drop as
         select * from unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) as d (conversation_id, seq, at)`,
        [this.#conversations, this.#seqs, this.#times],
      )
      for (const statement of STATEMENTS) await database.query(statement)
      await database.query('commit')
    } catch (error) {
      await database.query('rollback')
      throw error
    }
  }
}

const STATEMENTS = [
  `update conversations c set created_at = d.first - interval '30 seconds', last_message_at = d.last
   from (select conversation_id, min(at) as first, max(at) as last from dated group by 1) d
   where c.id = d.conversation_id`,
  // The SYSTEM message at the beginning of a group.
  `update messages m set created_at = c.created_at + (m.seq * interval '1 millisecond')
   from conversations c join (select conversation_id, min(seq) as first from dated group by 1) d on d.conversation_id = c.id
   where m.conversation_id = c.id and m.seq < d.first`,
  `update messages m set created_at = d.at from dated d
   where m.conversation_id = d.conversation_id and m.seq = d.seq`,
  `update message_search s set times = (
     select array_agg(coalesce(d.at, t.at) order by t.n)
     from unnest(s.times) with ordinality as t (at, n)
     left join dated d on d.conversation_id = s.conversation_id and d.seq = s.from_seq + t.n - 1)
   where s.conversation_id in (select conversation_id from dated)`,
  `update participants p set joined_at = c.created_at,
     last_read_at = coalesce((select m.created_at from messages m
       where m.conversation_id = p.conversation_id and m.seq = p.last_read_seq), p.last_read_at)
   from conversations c where c.id = p.conversation_id and c.id in (select conversation_id from dated)`,
]

async function outboxEmpty(database: pg.Client, signal: AbortSignal): Promise<void> {
  for (const deadline = Date.now() + OUTBOX_BOUND_MS; Date.now() < deadline; ) {
    const { rowCount } = await database.query('select 1 from outbox limit 1')
    if (rowCount === 0) return
    await delay(OUTBOX_POLL_MS, undefined, { signal })
  }
}
