import type { Database } from '@parley/db'
import { parseQuery, toTsquery } from '@parley/messaging'
import { ASKERS, type Asker, conversationId } from './data.ts'
import type { Ask } from './queries.ts'

/** Alternative designs of the index, measured for comparison. */
export const DESIGNS = {
  'GIN on the terms': {
    table: 'search_plain',
    index: 'create index on search_plain using gin (terms) with (fastupdate = off)',
  },
  'GIN on conversation and terms (btree_gin)': {
    table: 'search_composite',
    index: 'create index on search_composite using gin (conversation_id, terms) with (fastupdate = off)',
  },
} as const
export type Design = keyof typeof DESIGNS

/** Copies our index without the prefixes of the terms. */
export async function buildDesigns(db: Database): Promise<void> {
  await db.pool.query('create extension if not exists btree_gin')
  for (const { table, index } of Object.values(DESIGNS)) {
    await db.pool.query(`drop table if exists ${table}`)
    await db.pool.query(
      `create unlogged table ${table} as
       select s.conversation_id, s.from_seq + v.n - 1 as seq, v.sent_at,
         regexp_replace(v.terms::text, '(^| )''.{6}', '\\1''', 'g')::tsvector as terms
       from message_search s cross join unnest(s.vectors, s.times) with ordinality as v (terms, sent_at, n)`,
    )
    await db.pool.query(index)
    await db.pool.query(`create unique index on ${table} (conversation_id, seq)`)
    await db.pool.query(`vacuum analyze ${table}`)
  }
}

/** Returns the number of rows of the first page in this design: one statement lists the conversations, with a free plan. */
export async function askDesign(db: Database, design: Design, asker: Asker, { query, more }: Ask): Promise<number> {
  const node = parseQuery(query)
  if (node === null) return 0
  const { first, sizes } = ASKERS[asker]
  const { rowCount } = await db.pool.query({
    name: design,
    text: `
      select conversation_id, seq from ${DESIGNS[design].table}
      where conversation_id = any ($1::uuid[]) and terms @@ $2::tsquery order by sent_at desc limit 20`,
    values: [sizes.map((_, n) => conversationId(first + n)), toTsquery(node, more?.senderId).replaceAll('\u0001', '')],
  })
  return rowCount ?? 0
}
