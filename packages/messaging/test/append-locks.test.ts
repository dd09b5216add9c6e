import { randomUUID } from 'node:crypto'
import { markRead, type ReadRequest } from '@parley/db'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AppendBed, createAppendBed, draft } from './append-bed.ts'

let bed: AppendBed
beforeAll(async () => {
  bed = await createAppendBed(8)
})
afterAll(() => bed?.[Symbol.asyncDispose]())

/** Number of the bed's statements that wait for a lock. */
const waiting = async () =>
  (
    await bed.pool.query(`select from pg_stat_activity where wait_event_type = 'Lock'
      and application_name = 'append-test' and datname = current_database()`)
  ).rowCount
const reading = (conversationId: string, userId: string, messageId: string = randomUUID()): ReadRequest => ({
  conversationId,
  userId,
  messageId,
})

it.each([
  ['messages', (ids: string[]) => bed.append(ids.map((id) => draft(id, 'ahmed')))],
  [
    'read marks',
    (ids: string[]) =>
      markRead(
        bed.pool,
        ids.map((id) => reading(id, 'ahmed')),
      ),
  ],
] as const)('%s lock conversations in id order, whatever the order of the batch and of the table', async (_, work) => {
  const ids = await bed.conversations(20, 'ahmed')
  const holder = await bed.pool.connect()
  const looker = await bed.pool.connect()
  try {
    for (const held of [0, 7, 19]) {
      await holder.query('begin')
      await holder.query('select from conversations where id = $1 for no key update', [ids[held]])
      const done = work(ids.toReversed())
      await expect.poll(waiting).toBe(1)
      const { rows } = await looker.query<{ id: string }>(
        'select id from conversations where id = any ($1::uuid[]) order by id for no key update skip locked',
        [ids],
      )
      expect(rows.map(({ id }) => id)).toEqual(ids.slice(held + 1))
      await holder.query('commit')
      expect((await done).length).toBe(ids.length)
    }
  } finally {
    holder.release()
    looker.release()
  }
})

it('four gateways in the same conversations: no deadlocks, gaps or duplicates, and times in seq order', async () => {
  const ids = await bed.conversations(12, 'ahmed', 'fatima')
  const ROUNDS = 20
  const shuffled = (n: number) => ids.map((_, i) => ids[(i * 5 + n * 7) % ids.length] ?? '')
  const gateway = async (senderId: string) => {
    const given: string[] = []
    for (let n = 0; n < ROUNDS; n++) {
      const batch = shuffled(n).flatMap((id) => [draft(id, senderId), draft(id, senderId, { clientMessageId: `${n}` })])
      // Every fifth batch has to be settled message by message.
      if (n % 5 === 4) batch.push(draft(ids[n % ids.length] ?? '', 'a stranger'))
      for (const row of await bed.append(batch)) {
        const conversationId = batch[row.ord - 1]?.conversationId
        given.push(`${conversationId} ${row.seq} ${row.id} ${row.created_at}`)
      }
    }
    return given
  }
  const given = (
    await Promise.all(['ahmed', 'fatima', 'ahmed-2', 'fatima-2'].map((who) => gateway(who.split('-')[0] ?? '')))
  ).flat()
  const stored: string[] = []
  for (const id of ids) {
    const rows = await bed.stored(id)
    expect(rows.map(({ seq }) => seq)).toEqual(rows.map((_, n) => n + 1))
    const times = rows.map(({ created_at }) => created_at)
    expect(times).toEqual([...new Set(times)].sort())
    stored.push(...rows.map((row) => `${id} ${row.seq} ${row.id} ${row.created_at}`))
  }
  expect([...new Set(given)].sort()).toEqual(stored.sort())
})

it('a read mark takes the rev after any change to the conversation while it waited', async () => {
  const [id = ''] = await bed.conversations(1, 'ahmed', 'fatima')
  const [message] = await bed.append([draft(id, 'ahmed')])
  const holder = await bed.pool.connect()
  try {
    await holder.query('begin')
    await holder.query('update conversations set rev = rev + 10 where id = $1', [id])
    const marked = markRead(bed.pool, [reading(id, 'fatima', message?.id)])
    await expect.poll(waiting).toBe(1)
    await holder.query('commit')
    expect(await marked).toMatchObject([{ seq: 1, advanced: true, rev: 12 }])
    const { rows } = await holder.query('select rev from conversations where id = $1', [id])
    expect(rows).toEqual([{ rev: 12 }])
  } finally {
    holder.release()
  }
})

it('concurrent read marks: the furthest of each user applies, each with its own rev', async () => {
  const [one = '', two = ''] = await bed.conversations(2, 'ahmed', 'fatima', 'omar')
  const [first, second, elsewhere] = await bed.append([draft(one, 'ahmed'), draft(one, 'ahmed'), draft(two, 'ahmed')])
  const rows = await markRead(bed.pool, [
    reading(one, 'fatima', second?.id),
    reading(two, 'fatima', elsewhere?.id),
    reading(one, 'fatima', first?.id),
    reading(one, 'omar', first?.id),
    reading(one, 'omar', elsewhere?.id),
    reading(one, 'a stranger', first?.id),
  ])
  const told = rows.sort((a, b) => a.ord - b.ord).map(({ ord, seq, advanced, rev }) => [ord, seq, advanced, rev])
  expect(told).toEqual([
    [1, 2, true, 3],
    [2, 1, true, 2],
    [3, 1, false, 3],
    [4, 1, true, 4],
    [5, null, false, 4],
  ])
  const { rows: marks } = await bed.pool.query(
    `select user_id, last_read_seq, p.rev, c.rev as newest from participants p join conversations c on c.id = conversation_id
     where conversation_id = $1 and user_id <> 'ahmed' order by 1`,
    [one],
  )
  expect(marks).toEqual([
    { user_id: 'fatima', last_read_seq: 2, rev: 3, newest: 4 },
    { user_id: 'omar', last_read_seq: 1, rev: 4, newest: 4 },
  ])
  // A mark that is not ahead moves nothing.
  expect(await markRead(bed.pool, [reading(one, 'omar', first?.id)])).toMatchObject([{ advanced: false, rev: 4 }])
})
