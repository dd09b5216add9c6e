import { randomUUID } from 'node:crypto'
import { indexMessages, listOutboxMessages, type MessageTerms, transaction } from '@parley/db'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { messageTerms } from '../src/search/tsearch.ts'
import { createSearchBed, type SearchBed } from './search-bed.ts'

let bed: SearchBed
beforeAll(async () => {
  bed = await createSearchBed()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

const CONTENTS = ["It's 1,000 e-mails", 'Qu\\ote "d" \'x\'', 'مرحبا 中文', '👍🏽 ok ok', 'x'.repeat(70)]

interface Run {
  from: number
  to: number
  /** The content of the index. */
  terms: string
}

async function runsOf(conversationId: string): Promise<Run[]> {
  const { rows } = await bed.db.pool.query<Run>(
    `select from_seq as from, to_seq as to, terms::text from message_search where conversation_id = $1 order by from_seq`,
    [conversationId],
  )
  return rows
}

interface Indexed {
  seq: number
  terms: string
}

/** What the index stores of each message. */
async function indexed(conversationId: string): Promise<Indexed[]> {
  const { rows } = await bed.db.pool.query<Indexed>(
    `select s.from_seq + v.n - 1 as seq, v.terms::text from message_search s
     join messages m using (conversation_id) cross join unnest(s.vectors, s.times) with ordinality as v (terms, at, n)
     where conversation_id = $1 and v.terms is not null and m.seq = s.from_seq + v.n - 1 and m.created_at = v.at
     order by 1`,
    [conversationId],
  )
  return rows
}

function termsOf(conversationId: string, contents: readonly string[], from = 1): MessageTerms[] {
  return contents.map((content, at) => ({ conversationId, seq: from + at, terms: messageTerms('me', [content]) }))
}

/** What Postgres makes of the same terms as text, with positions of its own. */
async function expected(messages: readonly MessageTerms[]): Promise<Indexed[]> {
  const texts = messages.map(({ terms }) =>
    [...terms]
      .map(([term, at]) => `'\u0001${term.replaceAll(/['\\]/g, '$&$&')}'${at.length > 0 ? ':' : ''}${at}`)
      .join(' '),
  )
  const { rows } = await bed.db.pool.query<Indexed>(
    `select s as seq, replace(t, chr(1), search_place(c, s / 512))::tsvector::text as terms
     from unnest($1::uuid[], $2::bigint[], $3::text[]) as i (c, s, t)`,
    [messages.map((m) => m.conversationId), messages.map((m) => m.seq), texts],
  )
  return rows
}

/** A conversation with these messages, not indexed yet. */
async function having(contents: readonly string[]): Promise<string> {
  const id = await bed.conversation('me')
  await bed.send(
    id,
    contents.map((content) => ({ content })),
    { index: false },
  )
  return id
}

const boundsOf = (runs: readonly Run[]) => runs.map(({ from, to }) => [from, to])

it('stores the same as Postgres would for the terms, in runs that end with their slice', async () => {
  const contents = Array.from({ length: 600 }, (_, n) => `${CONTENTS[n % CONTENTS.length]} ${n}`)
  const id = await having(contents)
  const messages = termsOf(id, contents)
  await indexMessages(bed.db.pool, messages.toReversed())
  expect(await indexed(id)).toEqual(await expected(messages))
  const runs = await runsOf(id)
  expect(boundsOf(runs)).toEqual([
    ...Array.from({ length: 16 }, (_, n) => [1 + 32 * n, Math.min(32 + 32 * n, 511)]),
    ...Array.from({ length: 3 }, (_, n) => [512 + 32 * n, Math.min(543 + 32 * n, 600)]),
  ])
  const { rows } = await bed.db.pool.query(
    `select array_to_tsvector(array_agg(distinct t))::text as terms
     from message_search, unnest(vectors) v, unnest(tsvector_to_array(v)) t where conversation_id = $1 group by from_seq
     order by from_seq`,
    [id],
  )
  expect(runs.map(({ terms }) => terms)).toEqual(rows.map(({ terms }) => terms))
})

it('ends a run before its terms exceed the size limit of a tsvector', async () => {
  const long = (n: number) => Array.from({ length: 1_500 }, (_, word) => `m${n}w${word}`.padEnd(20, 'x')).join(' ')
  const contents = Array.from({ length: 60 }, (_, n) => long(n))
  const id = await having(contents)
  await indexMessages(bed.db.pool, termsOf(id, contents))
  expect(await indexed(id)).toHaveLength(60)
  expect(boundsOf(await runsOf(id)).slice(0, 2)).toEqual([
    [1, 2],
    [3, 4],
  ])
})

it('keeps indexed messages, adds new ones, and skips deleted and nonexistent ones', async () => {
  const contents = Array.from({ length: 9 }, (_, n) => `number ${n + 1}`)
  const id = await having(contents)
  const messages = termsOf(id, contents)
  await indexMessages(bed.db.pool, messages.slice(2, 5))
  await bed.db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq = 8', [id])
  const anew = termsOf(id, [...contents, 'there is no such message'])
  await indexMessages(bed.db.pool, anew.slice(1))
  await indexMessages(bed.db.pool, anew)
  expect(await indexed(id)).toEqual(await expected(messages.filter(({ seq }) => seq !== 8)))
  expect(boundsOf(await runsOf(id))).toEqual([
    [1, 1],
    [2, 2],
    [3, 5],
    [6, 6],
    [7, 7],
    [9, 9],
  ])
})

it('keeps no term of a deleted or erased message, and no run without terms', async () => {
  const contents = ['alpha beta', 'beta gamma', 'gamma delta']
  const id = await having(contents)
  const messages = termsOf(id, contents)
  await indexMessages(bed.db.pool, messages)
  const words = async () => (await runsOf(id)).map(({ terms }) => terms.match(/alpha|beta|gamma|delta/g)?.toSorted())
  await bed.db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq = 1', [id])
  expect(await indexed(id)).toEqual(await expected(messages.slice(1)))
  expect(await words()).toEqual([['beta', 'delta', 'gamma']])
  await bed.db.pool.query('delete from messages where conversation_id = $1 and seq = 3', [id])
  expect(await words()).toEqual([['beta', 'gamma']])
  await bed.db.pool.query('delete from messages where conversation_id = $1', [id])
  expect(await runsOf(id)).toEqual([])
})

it('matches phrases within a message, not across the messages of a run', async () => {
  const id = await bed.conversation('in-a-row')
  await bed.send(id, [{ content: 'one two' }, { content: 'two three' }, { content: 'three one' }])
  const found = async (query: string) => (await bed.search('in-a-row', query)).contents
  expect(await found('"two three"')).toEqual(['two three'])
  expect(await found('"one three"')).toEqual([])
  expect(await found('one three')).toEqual(['three one'])
  expect(await found('"three o')).toEqual(['three one'])
})

it('accepts the call of a worker of an older version', async () => {
  const id = await having(['first of them', 'second of them'])
  const terms = (await expected(termsOf(id, ['first of them', 'second of them']))).map((one) => one.terms)
  for (let times = 0; times < 2; times++) {
    await bed.db.pool.query('select index_messages($1, $2, $3::text[]::tsvector[], true)', [[id, id], [1, 2], terms])
  }
  expect((await bed.search('me', '"of them"', { conversationId: id })).contents).toEqual([
    'second of them',
    'first of them',
  ])
})

it('does not read more of a table that has grown since planning', async () => {
  const id = await bed.conversation('me')
  const fill = (from: number, to: number) =>
    bed.db.pool.query(
      `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
       select $1, n, gen_random_uuid(), 1, 'me', n::text, repeat('x', 500), 'TEXT', now() from generate_series($2::int, $3::int) n`,
      [id, from, to],
    )
  await fill(1, 30)
  const { rows } = await bed.db.pool.query<{ id: number }>(
    `insert into outbox (origin, batch, conversation_ids, seqs) values ($1, 1, $2::uuid[], $3::bigint[]) returning id`,
    [randomUUID(), [id, id], [29, 30]],
  )
  const ids = rows.map((row) => row.id)
  const messages = termsOf(id, ['a', 'b'])
  await transaction(bed.db, async (tx) => {
    // After six executions Postgres keeps a generic plan.
    for (let n = 0; n < 6; n++) {
      await indexMessages(tx, messages)
      await listOutboxMessages(tx, ids)
    }
    await fill(31, 5_000)
    for (const call of [
      `outbox_messages('{${ids}}')`,
      `index_runs('{${id}}', '{1}', '{1}', '{1}', array['a'::tsvector], array['a'::tsvector])`,
    ]) {
      const plan = await tx.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
        `explain (analyze, buffers, format json) select * from ${call}`,
      )
      expect(plan.rows[0]?.['QUERY PLAN'][0]?.Plan['Shared Hit Blocks'], call).toBeLessThan(100)
    }
  })
})
