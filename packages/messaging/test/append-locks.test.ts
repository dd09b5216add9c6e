import { afterAll, beforeAll, expect, it } from 'vitest'
import { type AppendBed, createAppendBed, draft } from './append-bed.ts'

let bed: AppendBed
beforeAll(async () => {
  bed = await createAppendBed(8)
})
afterAll(() => bed?.[Symbol.asyncDispose]())

it('locks conversations in the order of their ids, whatever the order of the batch and of the table', async () => {
  const ids = await bed.conversations(20, 'ahmed')
  const holder = await bed.pool.connect()
  const looker = await bed.pool.connect()
  try {
    for (const held of [0, 7, 19]) {
      await holder.query('begin')
      await holder.query('select from conversations where id = $1 for no key update', [ids[held]])
      const stored = bed.append(ids.toReversed().map((id) => draft(id, 'ahmed')))
      await expect
        .poll(
          async () =>
            (
              await looker.query(`select from pg_stat_activity where wait_event_type = 'Lock'
          and application_name = 'append-test' and datname = current_database()`)
            ).rowCount,
        )
        .toBe(1)
      const { rows } = await looker.query<{ id: string }>(
        'select id from conversations where id = any ($1::uuid[]) order by id for no key update skip locked',
        [ids],
      )
      expect(rows.map(({ id }) => id)).toEqual(ids.slice(held + 1))
      await holder.query('commit')
      expect((await stored).length).toBe(ids.length)
    }
  } finally {
    holder.release()
    looker.release()
  }
})

it('four gateways in the same conversations: no deadlock, no gap, nothing twice, times in the order of seq', async () => {
  const ids = await bed.conversations(12, 'ahmed', 'fatima')
  const ROUNDS = 20
  const shuffled = (n: number) => ids.map((_, i) => ids[(i * 5 + n * 7) % ids.length] ?? '')
  const gateway = async (senderId: string) => {
    const given: string[] = []
    for (let n = 0; n < ROUNDS; n++) {
      const batch = shuffled(n).flatMap((id) => [draft(id, senderId), draft(id, senderId, { clientMessageId: `${n}` })])
      // Now and then one that is settled message by message.
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
