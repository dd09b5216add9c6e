import { afterAll, beforeAll, expect, it } from 'vitest'
import { SearchRebuild, type SearchRebuildProgress } from '../src/index.ts'
import { createSearchBed, type SearchBed } from './search-bed.ts'

let bed: SearchBed
const [me, other] = ['ahmed', 'fatima']
beforeAll(async () => {
  bed = await createSearchBed()
  for (let n = 0; n < 4; n++) {
    const conversation = await bed.conversation(me, other)
    const messages = Array.from({ length: 60 }, (_, m) => ({ content: `number${m} of ${n}` }))
    await bed.send(conversation, messages, { index: false })
  }
})
afterAll(() => bed?.[Symbol.asyncDispose]())

const total = async () => (await bed.search(me, 'of')).meta.total

it('indexes every message in batches, says how far it is, and carries on where it was stopped', async () => {
  const stop = new AbortController()
  const steps: SearchRebuildProgress[] = []
  const onProgress = (progress: SearchRebuildProgress) => {
    steps.push(progress)
    if (steps.length === 2) stop.abort()
  }
  const stopped = await new SearchRebuild(bed.db).run({ batchSize: 50, onProgress, signal: stop.signal })
  expect(stopped).toMatchObject({ done: 100, total: 240 })
  expect(await total()).toBe(100)
  const { upTo: after } = stopped
  if (after === null) throw new Error('it stands nowhere')
  const end = await new SearchRebuild(bed.db).run({ batchSize: 50, after, onProgress })
  expect(end).toMatchObject({ done: 240, total: 240, removed: 0 })
  expect(steps.map(({ done }) => done)).toEqual([50, 100, 100, 150, 200, 240, 240])
  expect(await total()).toBe(240)
})

it('leaves a right index as it is, mends a wrong one and removes what stands for no message', async () => {
  const rows = async () =>
    (await bed.db.pool.query('select xmin::text, ctid::text, terms from message_search order by conversation_id, seq'))
      .rows
  await new SearchRebuild(bed.db).run()
  const before = await rows()
  await new SearchRebuild(bed.db).run({ batchSize: 7 })
  expect(await rows()).toEqual(before)
  await bed.db.pool.query(`update message_search set terms = 'wrong' where seq % 2 = 0`)
  await bed.db.pool.query(
    `insert into message_search select conversation_id, 1000 + n, now(), 'left over' from message_search, generate_series(1, 2) n where seq = 1`,
  )
  expect(await new SearchRebuild(bed.db).run({ batchSize: 33 })).toMatchObject({ done: 240, total: 240, removed: 8 })
  expect((await rows()).map((row) => row.terms)).toEqual(before.map((row) => row.terms))
})

it('goes on while messages are sent, deleted and indexed', async () => {
  const conversation = await bed.conversation(me, other)
  const kept = bed.send(conversation, [{ content: 'first of these' }])
  const rebuild = new SearchRebuild(bed.db).run({ batchSize: 5 })
  for (let n = 0; n < 30; n++) await bed.send(conversation, [{ content: `meanwhile${n} of these` }])
  await bed.db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq > 21', [
    conversation,
  ])
  await Promise.all([kept, rebuild])
  expect((await bed.search(me, 'these')).meta.total).toBe(21)
})
