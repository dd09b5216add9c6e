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

async function indexed(conversationId: string): Promise<string[]> {
  const { rows } = await bed.db.pool.query<{ terms: string }>(
    'select terms::text from message_search where conversation_id = $1 order by seq',
    [conversationId],
  )
  return rows.map(({ terms }) => terms)
}

function termsOf(conversationId: string, contents: readonly string[]): MessageTerms[] {
  return contents.map((content, at) => ({ conversationId, seq: at + 1, terms: messageTerms('me', [content]) }))
}

/** What Postgres makes of the same terms written out as text, with places of its own making. */
async function expected(messages: readonly MessageTerms[]): Promise<string[]> {
  const texts = messages.map(({ terms }) =>
    [...terms]
      .map(([term, at]) => `'\u0001${term.replaceAll(/['\\]/g, '$&$&')}'${at.length > 0 ? ':' : ''}${at}`)
      .join(' '),
  )
  const { rows } = await bed.db.pool.query<{ terms: string }>(
    `select replace(t, chr(1), search_place(c, s / 512))::tsvector::text as terms
     from unnest($1::uuid[], $2::bigint[], $3::text[]) as i (c, s, t)`,
    [messages.map((m) => m.conversationId), messages.map((m) => m.seq), texts],
  )
  return rows.map(({ terms }) => terms)
}

it.each([false, true])('stores what Postgres makes of the terms itself (likely to be known: %s)', async (known) => {
  const id = await bed.conversation('me')
  const contents = Array.from({ length: 600 }, (_, n) => `${CONTENTS[n % CONTENTS.length]} ${n}`)
  await bed.send(
    id,
    contents.map((content) => ({ content })),
    { index: false },
  )
  const messages = termsOf(id, contents)
  await indexMessages(bed.db.pool, messages.toReversed(), { known })
  expect(await indexed(id)).toEqual(await expected(messages))
})

it.each([false, true])(
  'replaces what is there, and leaves out what is deleted (likely to be known: %s)',
  async (known) => {
    const id = await bed.conversation('me')
    await bed.send(id, [{ content: 'one' }, { content: 'two' }, { content: 'three' }], { index: false })
    await indexMessages(bed.db.pool, termsOf(id, ['one', 'two']), { known })
    await bed.db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq = 2', [id])
    const anew = termsOf(id, ['first', 'second', 'third', 'there is no such message'])
    await indexMessages(bed.db.pool, anew, { known })
    expect(await indexed(id)).toEqual(await expected(anew.filter(({ seq }) => seq === 1 || seq === 3)))
  },
)

it('reads no more of a table that has grown since its plans were made', async () => {
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
    // Six times makes a plan that is kept, whatever the arguments are.
    for (let n = 0; n < 6; n++) {
      await indexMessages(tx, messages, { known: true })
      await listOutboxMessages(tx, ids)
    }
    await fill(31, 5_000)
    for (const call of [
      `outbox_messages('{${ids}}')`,
      `index_messages('{${id}}', '{1}', array['a'::tsvector], true)`,
    ]) {
      const plan = await tx.query<{ 'QUERY PLAN': { Plan: Record<string, number> }[] }>(
        `explain (analyze, buffers, format json) select * from ${call}`,
      )
      expect(plan.rows[0]?.['QUERY PLAN'][0]?.Plan['Shared Hit Blocks'], call).toBeLessThan(100)
    }
  })
})
