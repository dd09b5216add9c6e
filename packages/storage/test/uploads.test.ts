import { openDatabase, transaction } from '@parley/db'
import { createTestDatabase, type Fate, storeFront } from '@parley/testkit'
import { expect, it, vi } from 'vitest'
import { AttachmentUploads } from '../src/uploads.ts'
import { storageSettings } from './bed.ts'

/* Uploads during which the store fails or somebody else removes the upload. */

const CONVERSATION = '00000000-0000-7000-8000-000000000001'
const TEXT = 'hello'

async function bed() {
  await using undo = new AsyncDisposableStack()
  const database = undo.use(await createTestDatabase())
  const db = openDatabase({ url: database.url, max: 3, applicationName: 'test' })
  undo.defer(() => db.close())
  const direct = await storageSettings()
  const front = undo.use(await storeFront(direct.S3_ENDPOINT ?? ''))
  const settings = { ...direct, S3_ENDPOINT: front.endpoint, S3_PUBLIC_ENDPOINT: direct.S3_ENDPOINT }
  const onLimited = vi.fn()
  const uploads = new AttachmentUploads(db, settings, onLimited)
  undo.defer(() => uploads.close())
  const parts = undo.move()
  return {
    db,
    front,
    settings,
    uploads,
    onLimited,
    receive: (fileName: string, { uploaderId = 'ahmed', bytes = Buffer.from(TEXT) } = {}) =>
      uploads.receive({
        conversationId: CONVERSATION,
        uploaderId,
        fileName,
        source: (async function* () {
          yield bytes
        })(),
        accept: () => undefined,
        signal: new AbortController().signal,
      }),
    /** Uploads the only part of a direct upload. @returns the upload's id */
    uploadPart: async () => {
      const upload = await uploads.start(CONVERSATION, 'ahmed', { fileName: 'a.txt', fileSize: TEXT.length })
      expect((await fetch(upload.url ?? '', { method: 'PUT', body: TEXT })).status).toBe(200)
      return upload.id
    },
    complete: (id: string) => uploads.complete(CONVERSATION, 'ahmed', id),
    giveUp: (id: string) => uploads.giveUp(CONVERSATION, 'ahmed', id),
    /** Returns the state of each upload that has a row. */
    states: async () => {
      const { rows } = await db.pool.query<{ id: string; state: string }>('select id, state from attachments')
      return Object.fromEntries(rows.map(({ id, state }) => [id, state]))
    },
    /** Returns the ids of the files in the store. */
    objects: async () => {
      const list = await fetch(`${direct.S3_ENDPOINT}/${direct.S3_BUCKET}?list-type=2`)
      return [...(await list.text()).matchAll(/<Key>attachments\/[^/]+\/([^<]+)</g)].map((match) => match[1])
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

it('an upload claimed by a message while its uploader removes it is kept, and the uploader is told', async () => {
  await using b = await bed()
  const { id } = (await b.receive('a.txt')) ?? { id: '' }
  let given: Promise<boolean> | undefined
  await transaction(b.db, async (tx) => {
    await tx.query(`update attachments set state = 'CLAIMED', message_id = id where id = $1`, [id])
    given = b.giveUp(id)
    const waiting = `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`
    await expect.poll(async () => (await b.db.pool.query(waiting)).rowCount).toBe(1)
  })
  expect(await given).toBe(false)
  expect([await b.states(), await b.objects()]).toEqual([{ [id]: 'CLAIMED' }, [id]])
})

it('a direct upload that cannot be inspected while the store is unavailable can be completed later', async () => {
  await using b = await bed()
  const id = await b.uploadPart()
  b.front.judge = (method) => (method === 'GET' ? 503 : 'pass')
  await expect(b.complete(id)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  // The parts are one object by now, which could not be inspected.
  b.front.judge = (method, url) => (method === 'GET' && !url.searchParams.has('uploadId') ? 503 : 'pass')
  await expect(b.complete(id)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  b.front.judge = () => 'pass'
  expect(await b.complete(id)).toMatchObject({ id, fileSize: TEXT.length })
  expect(await b.objects()).toEqual([id])
})

it('a direct upload that fails to begin does not count against its uploader', async () => {
  await using b = await bed()
  b.front.judge = (method) => (method === 'POST' ? 403 : 'pass')
  const started = b.uploads.start(CONVERSATION, 'ahmed', { fileName: 'a.txt', fileSize: 1 })
  await expect(started).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  expect(await b.states()).toEqual({})
})

it('a direct upload removed while it begins fails, and no URLs are returned', async () => {
  await using b = await bed()
  const remove = async (): Promise<Fate> => {
    await b.db.pool.query(`update attachments set state = 'DELETING'`)
    return 'pass'
  }
  b.front.judge = (method) => (method === 'POST' ? remove() : 'pass')
  const started = b.uploads.start(CONVERSATION, 'ahmed', { fileName: 'a.txt', fileSize: 1 })
  await expect(started).rejects.toMatchObject({ code: 'ATTACHMENT_NOT_FOUND' })
})

it('an upload that is being removed cannot be completed', async () => {
  await using b = await bed()
  const id = await b.uploadPart()
  b.front.judge = async (method, url) => {
    if (method === 'DELETE') return 403
    // Its uploader removes it while it is being inspected.
    if (!url.searchParams.has('uploadId')) await expect(b.giveUp(id)).rejects.toThrow()
    return 'pass'
  }
  await expect(b.complete(id)).rejects.toMatchObject({ code: 'ATTACHMENT_NOT_FOUND' })
  expect(await b.states()).toEqual({ [id]: 'DELETING' })
})

it('a failed removal is reported and can be repeated', async () => {
  await using b = await bed()
  const { id = '' } = (await b.receive('a.txt')) ?? {}
  b.front.judge = (method) => (method === 'DELETE' ? 403 : 'pass')
  await expect(b.giveUp(id)).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  expect([await b.states(), await b.objects()]).toEqual([{ [id]: 'DELETING' }, [id]])
  b.front.judge = () => 'pass'
  expect(await b.giveUp(id)).toBe(true)
  expect([await b.states(), await b.objects()]).toEqual([{}, []])
})

it('a claimed upload is neither removed nor discarded', async () => {
  await using b = await bed()
  const { id = '' } = (await b.receive('a.txt')) ?? {}
  await b.db.pool.query(`update attachments set state = 'CLAIMED', message_id = id`)
  expect(await b.giveUp(id)).toBe(false)
  await b.uploads.discard([id])
  expect([await b.states(), await b.objects()]).toEqual([{ [id]: 'CLAIMED' }, [id]])
})

it('a missing bucket does not count as a missing object: the removal stays on record', async () => {
  await using b = await bed()
  const { id = '' } = (await b.receive('a.txt')) ?? {}
  const elsewhere = new AttachmentUploads(b.db, { ...b.settings, S3_BUCKET: 'a-missing-bucket' })
  await expect(elsewhere.discard([id])).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  elsewhere.close()
  expect(await b.states()).toEqual({ [id]: 'DELETING' })
})

it.each([
  ['in one request', 2, 2],
  ['in parts', 6, 3],
])('a file uploaded %s is sent again after a temporary failure of the store', async (_how, mebibytes, requests) => {
  await using b = await bed()
  let puts = 0
  b.front.judge = (method) => (method === 'PUT' && ++puts === 1 ? 503 : 'pass')
  const { id = '' } = (await b.receive('a.bin', { bytes: Buffer.alloc(mebibytes * 1024 ** 2) })) ?? {}
  expect([puts, await b.objects()]).toEqual([requests, [id]])
})

it('an upload that the store has lost fails', async () => {
  await using b = await bed()
  b.front.judge = (method, url) => (method === 'POST' && url.searchParams.has('uploadId') ? 404 : 'pass')
  const received = b.receive('a.bin', { bytes: Buffer.alloc(6 * 1024 ** 2) })
  await expect(received).rejects.toMatchObject({ code: 'STORAGE_UNAVAILABLE' })
  expect(await b.states()).toEqual({})
})

it('the limit on unclaimed uploads applies to each person separately', async () => {
  await using b = await bed()
  await b.db.pool.query(
    `insert into attachments (id, conversation_id, uploader_id, state, file_name)
     select gen_random_uuid(), $1, 'fatima', 'READY', 'a.txt' from generate_series(1, 100)`,
    [CONVERSATION],
  )
  await expect(b.receive('a.txt', { uploaderId: 'fatima' })).rejects.toMatchObject({ code: 'RATE_LIMITED' })
  expect(b.onLimited).toHaveBeenCalledOnce()
  expect(await b.receive('a.txt', { uploaderId: 'ahmed' })).toBeDefined()
})

it('a direct upload goes to the public endpoint', async () => {
  await using b = await bed()
  const uploads = new AttachmentUploads(b.db, { ...b.settings, S3_PUBLIC_ENDPOINT: 'https://files.example' })
  const { url } = await uploads.start(CONVERSATION, 'ahmed', { fileName: 'a.txt', fileSize: 1 })
  uploads.close()
  expect(url).toMatch(/^https:\/\/files\.example\//)
})
