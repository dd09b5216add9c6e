import { openDatabase } from '@parley/db'
import { attachmentSettings, loadSettings, s3Settings } from '@parley/runtime'
import { AttachmentUploads } from '@parley/storage/uploads'
import { createTestBucket, createTestDatabase, s3Environment, storeFront } from '@parley/testkit'
import { expect, it } from 'vitest'
import { AttachmentCleaner } from '../src/attachments/cleaner.ts'

const CONVERSATION = '00000000-0000-7000-8000-000000000001'
const HOUR = 3_600_000

async function bed() {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await createTestDatabase())
  const db = openDatabase({ url: database.url, max: 3, applicationName: 'test' })
  undo.defer(() => db.close())
  const s3 = await createTestBucket()
  if (s3 === null) throw new Error('this test needs an S3 server')
  const front = undo.use(await storeFront(s3.endpoint))
  const env = { ...s3Environment(s3), S3_ENDPOINT: front.endpoint, S3_PUBLIC_ENDPOINT: s3.endpoint }
  const settings = loadSettings({ ...s3Settings, ...attachmentSettings }, env)
  const uploads = new AttachmentUploads(db, settings)
  undo.defer(() => uploads.close())
  const errors: unknown[] = []
  let clock = Date.now()
  const cleaner = new AttachmentCleaner({
    uploads,
    now: () => new Date(clock),
    batch: 2,
    onError: (e) => errors.push(e),
  })
  const receive = (fileName: string) =>
    uploads.receive({
      conversationId: CONVERSATION,
      uploaderId: 'ahmed',
      fileName,
      source: (async function* () {
        yield Buffer.from('hello')
      })(),
      accept: () => undefined,
      signal: new AbortController().signal,
    })
  const objects = async () => {
    const list = await fetch(`${s3.endpoint}/${s3.bucket}?list-type=2`)
    return [...(await list.text()).matchAll(/<Key>attachments\/[^/]+\/([^<]+)</g)].map((match) => match[1])
  }
  const rows = async () =>
    (await db.pool.query<{ id: string }>('select id from attachments order by id')).rows.map((row) => row.id)
  const parts = undo.move()
  const pass = (ms: number) => {
    clock += ms
  }
  return {
    db,
    front,
    uploads,
    cleaner,
    receive,
    objects,
    rows,
    pass,
    errors,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

it('removes uploads that no message has used within a day, finished or not, and nothing else', async () => {
  await using b = await bed()
  const files = await Promise.all(['a.txt', 'b.txt', 'c.txt', 'd.txt'].map(b.receive))
  const kept = files[0]?.id
  await b.db.pool.query(`update attachments set state = 'CLAIMED', message_id = id where id = $1`, [kept])
  const begun = await b.uploads.start(CONVERSATION, 'ahmed', { fileName: 'large.bin', fileSize: 100 })
  expect((await fetch(begun.url ?? '', { method: 'PUT', body: 'x'.repeat(100) })).status).toBe(200)

  b.pass(24 * HOUR - 60_000)
  expect(await b.cleaner.cleanOnce()).toBe(0)
  expect(await b.rows()).toHaveLength(5)
  b.pass(120_000)
  expect(await b.cleaner.cleanOnce()).toBe(4)
  expect(b.cleaner.removed).toBe(4)
  expect(await b.rows()).toEqual([kept])
  expect(await b.objects()).toEqual([kept])
  // Its parts are gone, too: it is over and accepts no more.
  const late = await fetch(begun.url ?? '', { method: 'PUT', body: 'x'.repeat(100) })
  expect(late.status).toBe(404)
  expect(await b.cleaner.cleanOnce()).toBe(0)
})

it('finishes a removal that another worker began, and skips a file that a message is about to use', async () => {
  await using b = await bed()
  const [left, wanted] = await Promise.all([b.receive('a.txt'), b.receive('b.txt')])
  await b.db.pool.query(`update attachments set state = 'DELETING' where id = $1`, [left?.id])
  expect(await b.cleaner.cleanOnce()).toBe(1)
  b.pass(25 * HOUR)
  const claiming = await b.db.pool.connect()
  try {
    await claiming.query('begin')
    await claiming.query('select 1 from attachments where id = $1 for update', [wanted?.id])
    expect(await b.cleaner.cleanOnce()).toBe(0)
    await claiming.query(`update attachments set state = 'CLAIMED', message_id = id where id = $1`, [wanted?.id])
    await claiming.query('commit')
  } finally {
    claiming.release()
  }
  expect(await b.cleaner.cleanOnce()).toBe(0)
  expect(await b.objects()).toEqual([wanted?.id])
})

it('uploads waiting to be removed, as after an outage of the store, keep nobody from sending files', async () => {
  await using b = await bed()
  const { id } = (await b.receive('a.txt')) ?? {}
  await b.db.pool.query(
    `insert into attachments (id, conversation_id, uploader_id, state, file_name)
     select gen_random_uuid(), conversation_id, uploader_id, 'DELETING', 'lost.txt' from attachments, generate_series(1, 100)`,
  )
  expect(await b.receive('b.txt')).toBeDefined()
  await b.db.pool.query(`update attachments set state = 'READY' where id <> $1`, [id])
  await expect(b.receive('c.txt')).rejects.toMatchObject({ code: 'RATE_LIMITED' })
})

it('uploads that the store refuses to remove, however many, do not block others', async () => {
  await using b = await bed()
  const names = Array.from({ length: 7 }, (_, i) => `${i}.txt`)
  const ids: string[] = []
  for (const name of names) ids.push((await b.receive(name))?.id ?? '')
  b.pass(25 * HOUR)
  // One of the first batch of two, both of the second, and one of the last.
  const refused = [0, 2, 3, 6].map((n) => ids[n] ?? '')
  b.front.judge = (method, url) =>
    method === 'DELETE' && refused.some((id) => url.pathname.endsWith(`/${id}`)) ? 403 : 'pass'
  expect(await b.cleaner.cleanOnce()).toBe(1)
  expect(await b.cleaner.cleanOnce()).toBe(2)
  expect(await b.rows()).toEqual(refused)
  expect(b.errors).toMatchObject(Array(3).fill({ code: 'STORAGE_UNAVAILABLE' }))
  // The next round starts with the oldest again.
  b.front.judge = () => 'pass'
  expect(await b.cleaner.cleanOnce()).toBe(4)
  expect(await b.objects()).toEqual([])
})

it('stops at once while waiting for an unresponsive store, and leaves the rest to the next worker', async () => {
  await using b = await bed()
  const { id } = (await b.receive('a.txt')) ?? {}
  b.pass(25 * HOUR)
  const asked = Promise.withResolvers<void>()
  b.front.judge = () => {
    asked.resolve()
    return 'silence'
  }
  const round = b.cleaner.cleanOnce()
  await asked.promise
  const began = performance.now()
  await b.cleaner.stop()
  expect(performance.now() - began).toBeLessThan(1_000)
  expect(await round).toBe(0)
  expect(b.errors).toEqual([])
  expect(await b.rows()).toEqual([id])
})
