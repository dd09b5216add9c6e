import { lockIndex } from '@parley/db'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Indexable, indexForSearch, SearchRebuild, type SearchRebuildProgress } from '../src/index.ts'
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

it('indexes every message in batches, reports progress, and resumes where it was stopped', async () => {
  const stop = new AbortController()
  const steps: SearchRebuildProgress[] = []
  const onProgress = (progress: SearchRebuildProgress) => {
    steps.push(progress)
    if (steps.length === 2) stop.abort()
  }
  const stopped = await new SearchRebuild(bed.db).run({ batchSize: 50, onProgress, signal: stop.signal })
  // A batch ends with a slice: here with a conversation, as these are short.
  expect(stopped).toMatchObject({ done: 120, total: 240 })
  expect(await total()).toBe(120)
  const { upTo: after } = stopped
  if (after === null) throw new Error('there is no position')
  const end = await new SearchRebuild(bed.db).run({ batchSize: 50, after, onProgress })
  expect(end).toMatchObject({ done: 240, total: 240, removed: 0 })
  expect(steps.map(({ done }) => done)).toEqual([60, 120, 120, 180, 240, 240])
  expect(await total()).toBe(240)
})

it('starts with the slice that it is told to resume in', async () => {
  const long = await bed.conversation('long')
  await bed.send(
    long,
    Array.from({ length: 1_100 }, (_, n) => ({ content: `number${n}` })),
    { index: false },
  )
  await new SearchRebuild(bed.db).run({ after: { conversationId: long, seq: 1_030 } })
  const count = async () => (await bed.search('long', 'number', { conversationId: long })).meta.total
  expect(await count()).toBe(1_100 - 1_023)
  await new SearchRebuild(bed.db).run({ batchSize: 100 })
  expect(await count()).toBe(1_000)
  const { rows } = await bed.db.pool.query(
    'select sum(to_seq - from_seq + 1)::int as messages from message_search where conversation_id = $1',
    [long],
  )
  expect(rows).toEqual([{ messages: 1_100 }])
})

it('repairs wrong entries, merges messages indexed one by one, and removes entries without a message', async () => {
  const all = async <Row extends object>(sql: string) => (await bed.db.pool.query<Row>(sql)).rows
  const runs = async () => (await all('select from message_search')).length
  /** Each message with its terms, and whether those of its run are correct. */
  const indexed = () =>
    all(
      `select conversation_id, from_seq + n - 1 as seq, at, v.terms, s.terms = (
         select array_to_tsvector(array_agg(distinct t)) from unnest(s.vectors) w, unnest(tsvector_to_array(w)) t
       ) as right
       from message_search s, unnest(vectors, times) with ordinality as v (terms, at, n) order by 1, 2`,
    )
  await new SearchRebuild(bed.db).run()
  const before = await indexed()
  await new SearchRebuild(bed.db).run({ batchSize: 7 })
  expect(await indexed()).toEqual(before)
  await bed.db.pool.query(
    `insert into message_search select conversation_id, 200 + n, 200 + n, times[1:1], vectors[1:1], vectors[1]
     from message_search, generate_series(1, 2) n where to_seq = 60`,
  )
  await bed.db.pool.query(`update message_search set terms = 'wrong', vectors[2] = 'wrong' where from_seq = 1`)
  expect(await new SearchRebuild(bed.db).run({ batchSize: 33 })).toMatchObject({
    done: 1_340,
    total: 1_340,
    removed: 8,
  })
  expect(await indexed()).toEqual(before)
  await bed.db.pool.query('delete from message_search')
  const messages = await all<Indexable>(
    `select conversation_id as "conversationId", seq, sender_id as "senderId", content, type, '{}'::text[] as attachments
     from messages order by random()`,
  )
  for (const message of messages) await indexForSearch(bed.db.pool, [message])
  expect(await runs()).toBe(before.length)
  await new SearchRebuild(bed.db).run()
  expect(await indexed()).toEqual(before)
  expect(await runs()).toBeLessThan(before.length / 25)
})

it('works while messages are sent, deleted and indexed', async () => {
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

it('indexes file names, but not SYSTEM messages', async () => {
  const conversation = await bed.conversation('files')
  await bed.send(conversation, [{ content: 'here', fileNames: ['report.pdf'] }, { content: 'notice' }], {
    index: false,
  })
  await bed.db.pool.query(`update messages set type = 'SYSTEM' where conversation_id = $1 and seq = 2`, [conversation])
  await new SearchRebuild(bed.db).run()
  expect((await bed.search('files', 'report')).contents).toEqual(['here'])
  expect((await bed.search('files', 'notice')).contents).toEqual([])
})

describe('a message that is deleted at the same time', () => {
  const query = (text: string, values: unknown[] = []) => bed.db.pool.query(text, values)
  const DELETE = 'update messages set deleted_at = now() where conversation_id = $1'

  async function unindexed() {
    const conversation = await bed.conversation('deleting')
    const messages = await bed.send(conversation, [{ content: 'not yet gone' }], { index: false })
    const left = async () =>
      (await query('select from message_search where conversation_id = $1', [conversation])).rowCount
    return { conversation, messages, left }
  }

  it('delays the rebuild', async () => {
    const { conversation, left } = await unindexed()
    const { promise: rebuilt, resolve } = Promise.withResolvers<unknown>()
    await bed.transaction(async (tx) => {
      await tx.query(DELETE, [conversation])
      const rebuild = new SearchRebuild(bed.db).run()
      resolve(rebuild)
      await bed.waitsOrIsDone(rebuild)
    })
    await rebuilt
    expect(await left()).toBe(0)
  })

  it('waits for the rebuild, and is then removed from the index', async () => {
    const { conversation, messages, left } = await unindexed()
    const { promise: deleted, resolve } = Promise.withResolvers<unknown>()
    await bed.transaction(async (tx) => {
      await lockIndex(tx)
      await indexForSearch(tx, messages)
      const deletion = query(DELETE, [conversation])
      resolve(deletion)
      await bed.waitsOrIsDone(deletion)
    })
    await deleted
    expect(await left()).toBe(0)
  })
})
