import type { NewMessage } from '@parley/db'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { type AppendBed, createAppendBed, draft } from './append-bed.ts'

const FRESH = ['append_fresh']
const BOTH = ['append_fresh', 'append_messages']

let bed: AppendBed
let first: string
let second: string
beforeAll(async () => {
  bed = await createAppendBed()
})
afterAll(() => bed?.[Symbol.asyncDispose]())
beforeEach(async () => {
  const ids = await bed.conversations(2, 'ahmed', 'fatima')
  first = ids[0] ?? ''
  second = ids[1] ?? ''
})

const seqs = async (conversationId: string) => (await bed.stored(conversationId)).map(({ seq }) => seq)

it('numbers the messages of each conversation in batch order and returns them as stored', async () => {
  await bed.append([draft(second, 'fatima')])
  bed.statements()
  const batch = [
    draft(second, 'ahmed', { content: 'b2' }),
    draft(first, 'ahmed', { content: 'a1', clientMessageId: 'mine', type: 'IMAGE' }),
    draft(second, 'fatima', { content: 'b3' }),
    draft(second, 'ahmed', { content: 'b4' }),
  ]
  const rows = await bed.append(batch)
  expect(bed.statements()).toEqual(FRESH)
  expect(rows.map(({ ord, fresh, id, seq }) => [ord, fresh, id, seq])).toEqual([
    [1, true, batch[0]?.id, 2],
    [2, true, batch[1]?.id, 1],
    [3, true, batch[2]?.id, 3],
    [4, true, batch[3]?.id, 4],
  ])
  const stored = new Map([...(await bed.stored(first)), ...(await bed.stored(second))].map((row) => [row.id, row]))
  for (const row of rows) {
    const { conversationId, ...message } = batch[row.ord - 1] ?? draft('', '')
    expect(stored.get(row.id)).toMatchObject({
      conversation_id: conversationId,
      seq: row.seq,
      rev: row.rev,
      created_at: row.created_at,
      sender_id: message.senderId,
      client_message_id: message.clientMessageId,
      content: message.content,
      type: message.type,
      attachments: null,
      system: null,
    })
  }
  const [, , third, fourth] = rows
  expect(`${fourth?.created_at}` > `${third?.created_at}`).toBe(true)
})

it('moves the counters and only the senders’ read marks, and writes to the outbox', async () => {
  const batch = [draft(first, 'ahmed'), draft(first, 'fatima'), draft(first, 'ahmed')]
  const rows = await bed.append(batch, { [batch[0]?.id ?? '']: 'a trace' })
  expect(bed.statements()).toEqual(['append_fresh_traced'])
  const last = rows[2]
  const { rows: marks } = await bed.pool.query(
    `select c.last_seq, c.rev, c.last_message_at, p.user_id, p.last_read_seq, p.rev as mark_rev, p.last_read_at
     from conversations c join participants p on p.conversation_id = c.id where c.id = $1 order by p.user_id`,
    [first],
  )
  const counters = { last_seq: 3, rev: last?.rev, last_message_at: last?.created_at }
  expect(marks).toEqual([
    { ...counters, user_id: 'ahmed', last_read_seq: 3, mark_rev: last?.rev, last_read_at: last?.created_at },
    { ...counters, user_id: 'fatima', last_read_seq: 2, mark_rev: rows[1]?.rev, last_read_at: rows[1]?.created_at },
  ])
  const { rows: queued } = await bed.pool.query(
    'select origin, conversation_ids, seqs, traces from outbox order by id desc limit 1',
  )
  const traces = { [batch[0]?.id ?? '']: 'a trace' }
  expect(queued).toEqual([{ origin: 'append-test', conversation_ids: [first, first, first], seqs: [1, 2, 3], traces }])
})

it('stores content verbatim', async () => {
  const contents = [
    '"{}",\\',
    "'; drop table messages; --",
    'سلام 字 😀 e\u0301',
    'NULL',
    '\n\t',
    'x'.repeat(9_000),
    '\ud800',
  ]
  await bed.append(
    contents.map((content, n) =>
      draft(first, 'ahmed', { content, clientMessageId: n % 2 ? null : content.slice(0, 100) }),
    ),
  )
  expect(bed.statements()).toEqual(FRESH)
  const stored = await bed.stored(first)
  expect(stored.map(({ content }) => content)).toEqual(contents.map((content) => content.toWellFormed()))
})

it('created_at ascends by a microsecond if the clock stands still, and stays ahead of one that is set back', async () => {
  await bed.pool.query(`update conversations set last_message_at = '2100-01-01T00:00:00.999999Z' where id = $1`, [
    first,
  ])
  const rows = await bed.append([draft(first, 'ahmed'), draft(first, 'fatima')])
  expect(rows.map((row) => row.created_at)).toEqual(['2100-01-01T00:00:01.000000Z', '2100-01-01T00:00:01.000001Z'])
  expect((await bed.stored(first)).map((row) => row.created_at)).toEqual(rows.map((row) => row.created_at))
  const [next] = await bed.append([draft(first, 'ahmed', { type: 'SYSTEM', system: { event: 'renamed', name: null } })])
  expect(next?.created_at).toBe('2100-01-01T00:00:01.000002Z')
})

it('the same batch again, as after a connection that broke during the commit, stores nothing twice', async () => {
  const batch = [draft(first, 'ahmed'), draft(first, 'fatima', { clientMessageId: 'given' }), draft(second, 'ahmed')]
  const rows = await bed.append(batch)
  bed.statements()
  const again = await bed.append(batch)
  expect(bed.statements()).toEqual(BOTH)
  expect(again.sort((a, b) => a.ord - b.ord)).toEqual(rows.map((row) => ({ ...row, fresh: false })))
  expect(await seqs(first)).toEqual([1, 2])
  expect(await seqs(second)).toEqual([1])
  const more = await bed.append([...batch, draft(first, 'ahmed')])
  expect(more.find(({ fresh }) => fresh)).toMatchObject({ ord: 4, seq: 3 })
})

it('a known client id returns its message, and the rest of the batch is stored', async () => {
  const [known] = await bed.append([draft(first, 'ahmed', { clientMessageId: 'once' })])
  bed.statements()
  const rows = await bed.append([
    draft(first, 'fatima', { clientMessageId: 'once' }),
    draft(first, 'ahmed', { clientMessageId: 'once', content: 'again' }),
    draft(first, 'ahmed'),
    draft(second, 'ahmed', { clientMessageId: 'once' }),
  ])
  expect(bed.statements()).toEqual(BOTH)
  const byOrd = rows.sort((a, b) => a.ord - b.ord)
  expect(byOrd.map(({ fresh, seq }) => [fresh, seq])).toEqual([
    [true, 2],
    [false, 1],
    [true, 3],
    [true, 1],
  ])
  expect(byOrd[1]?.id).toBe(known?.id)
  expect(await seqs(first)).toEqual([1, 2, 3])
})

it('a sender who is not (or no longer) a member stores nothing; the members in the same batch do', async () => {
  const [elsewhere = ''] = await bed.conversations(1, 'stranger')
  await bed.pool.query(`update participants set left_at = now() where conversation_id = $1 and user_id = 'fatima'`, [
    second,
  ])
  bed.statements()
  const rows = await bed.append([
    draft(first, 'stranger'),
    draft(first, 'ahmed'),
    draft(second, 'fatima'),
    draft(elsewhere, 'stranger'),
  ])
  expect(bed.statements()).toEqual(BOTH)
  expect(rows.map(({ ord }) => ord).sort()).toEqual([2, 4])
  expect([await seqs(first), await seqs(second), await seqs(elsewhere)]).toEqual([[1], [], [1]])
})

it.each(['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff'])(
  'a nonexistent conversation, %s, does not shift the results of others',
  async (nowhere) => {
    const rows = await bed.append([draft(nowhere, 'ahmed'), draft(first, 'ahmed'), draft(second, 'fatima')])
    expect(bed.statements()).toEqual(BOTH)
    expect(rows.map(({ ord, seq }) => [ord, seq]).sort()).toEqual([
      [2, 1],
      [3, 1],
    ])
    expect([await seqs(first), await seqs(second)]).toEqual([[1], [1]])
  },
)

/** A completed upload of Ahmed's. */
async function file(conversationId: string) {
  const { rows } = await bed.pool.query<{ id: string }>(
    `insert into attachments (id, conversation_id, uploader_id, state, file_name)
     values (gen_random_uuid(), $1, 'ahmed', 'READY', 'a.pdf') returning id`,
    [conversationId],
  )
  return { id: rows[0]?.id ?? '', fileName: 'a.pdf', fileSize: 1, fileType: 'application/pdf' }
}

it('attachments go to the message that may claim them, without affecting others', async () => {
  const claimed = async () =>
    (await bed.pool.query(`select message_id from attachments where state = 'CLAIMED' order by created_at`)).rows
  const mine = draft(first, 'ahmed', { type: 'FILE', attachments: [await file(first)] })
  await bed.append([draft(first, 'fatima'), mine])
  expect(bed.statements()).toEqual(FRESH)
  expect(await claimed()).toEqual([{ message_id: mine.id }])
  const theirs = draft(first, 'fatima', { type: 'FILE', attachments: [await file(first)] })
  const rows = await bed.append([theirs, draft(first, 'ahmed')])
  expect(bed.statements()).toEqual(BOTH)
  expect(rows.map(({ ord, seq }) => [ord, seq])).toEqual([[2, 3]])
  expect(await claimed()).toEqual([{ message_id: mine.id }])
})

it('attachments stay unclaimed if their message is not stored, was stored before, or comes second', async () => {
  const attachments = [await file(first)]
  await bed.append([draft(first, 'ahmed', { clientMessageId: 'once', type: 'FILE', attachments })])
  const [wanted, other, more] = [await file(first), await file(second), await file(first)]
  await bed.pool.query(`update participants set left_at = now() where conversation_id = $1 and user_id = 'ahmed'`, [
    second,
  ])
  const naming = (conversationId: string, ...files: (typeof wanted)[]) =>
    draft(conversationId, 'ahmed', { type: 'FILE', attachments: files })
  const rows = await bed.append([
    { ...naming(first, await file(first)), clientMessageId: 'once' },
    naming(second, other),
    naming(first, other),
    naming(first, wanted),
    naming(first, wanted, more),
  ])
  expect(rows.map(({ ord, fresh }) => [ord, fresh]).sort()).toEqual([
    [1, false],
    [4, true],
  ])
  const { rows: states } = await bed.pool.query(
    `select id, state from attachments where conversation_id = any ($1) order by created_at`,
    [[first, second]],
  )
  expect(states.map(({ state }) => state)).toEqual(['CLAIMED', 'CLAIMED', 'READY', 'READY', 'READY'])
})

it('SYSTEM messages take the path on which a refusal does not abort the transaction', async () => {
  const system = { event: 'renamed', name: 'Team' } as const
  bed.statements()
  await bed.append([draft(first, 'ahmed', { type: 'SYSTEM', system })])
  expect(bed.statements()).toEqual(['append_messages'])
  expect(await bed.stored(first)).toMatchObject([{ seq: 1, type: 'SYSTEM', system }])
})

it('accepts the call of the previous version during a rolling upgrade, and recognises its messages', async () => {
  const call = (batch: readonly NewMessage[]) =>
    bed.pool.query<{ fresh: boolean; seq: number }>(
      'select * from append_messages($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)',
      [
        batch.map((m) => m.conversationId),
        batch.map((m) => m.senderId),
        batch.map((m) => m.clientMessageId ?? m.id),
        batch.map((m) => m.id),
        batch.map((m) => m.content),
        batch.map((m) => m.type),
        batch.map(() => null),
        batch.map(() => null),
        'an older version',
        1,
      ],
    )
  const batch = [draft(first, 'ahmed'), draft(first, 'fatima', { clientMessageId: 'theirs' })]
  expect((await call(batch)).rows.map(({ fresh, seq }) => [fresh, seq])).toEqual([
    [true, 1],
    [true, 2],
  ])
  expect((await call(batch)).rows.map(({ fresh }) => fresh)).toEqual([false, false])
  const rows = await bed.append([draft(first, 'ahmed'), draft(first, 'fatima', { clientMessageId: 'theirs' })])
  expect(rows.map(({ ord, fresh, seq }) => [ord, fresh, seq]).sort()).toEqual([
    [1, true, 3],
    [2, false, 2],
  ])
})
