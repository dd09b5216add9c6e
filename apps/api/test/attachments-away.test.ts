import { randomBytes } from 'node:crypto'
import type { Message, StartedUpload } from '@parley/protocol'
import {
  type Cluster,
  dataOf,
  direct,
  errorOf,
  type StoreFront,
  startCluster,
  storeFront,
  type TcpProxy,
  tcpProxy,
  user,
} from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bucket, form, openBucket, openForm, PDF, post } from './attachments-bed.ts'

let cluster: Cluster
let bucket: Bucket
let front: StoreFront
let proxy: TcpProxy
beforeAll(async () => {
  bucket = await openBucket()
  front = await storeFront(bucket.endpoint)
  const { protocol, hostname, port } = new URL(front.endpoint)
  proxy = await tcpProxy({ host: hostname, port: Number(port) })
  const env = {
    ...bucket.env,
    S3_ENDPOINT: `${protocol}//127.0.0.1:${proxy.port}`,
    S3_PUBLIC_ENDPOINT: bucket.endpoint,
  }
  cluster = await startCluster({ gateways: 1, env })
})
afterAll(async () => {
  await cluster?.[Symbol.asyncDispose]()
  await proxy?.[Symbol.asyncDispose]()
  await front?.[Symbol.asyncDispose]()
})

async function pair() {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  return { ahmed, id, path: `/api/messages/conversations/${id}` }
}

it('with the store away no files are sent, the error says so, and messages without files still work', async () => {
  const { ahmed, id, path } = await pair()
  const upload = dataOf(
    await cluster.api(ahmed).post<StartedUpload>(`${path}/attachments`, { fileName: 'a.pdf', fileSize: PDF.length }),
  )
  expect((await fetch(upload.url ?? '', { method: 'PUT', body: new Uint8Array(PDF) })).status).toBe(200)
  dataOf(await cluster.api(ahmed).post(`${path}/attachments/${upload.id}/complete`))
  proxy.cut()
  try {
    const answers = [
      await post(cluster, ahmed, id, form({ content: 'x' }, [['a.pdf', PDF]])),
      await cluster.api(ahmed).post(`${path}/attachments`, { fileName: 'a.pdf', fileSize: 1 }),
      await cluster.api(ahmed).post(`${path}/messages`, { content: 'x', attachments: [{ id: upload.id }] }),
    ]
    for (const answer of answers) {
      expect([answer.status, errorOf(answer)]).toMatchObject([
        503,
        { code: 'STORAGE_UNAVAILABLE', retryAfterMs: 1_000 },
      ])
    }
    dataOf(await cluster.api(ahmed).post(`${path}/messages`, { content: 'words' }))
  } finally {
    proxy.restore()
  }
  const message = dataOf(
    await cluster.api(ahmed).post<Message>(`${path}/messages`, { content: 'x', attachments: [{ id: upload.id }] }),
  )
  expect(message.seq).toBe(2)
  expect(message.attachments[0]?.url.startsWith(bucket.endpoint)).toBe(true)
})

it('a store that fails in the middle of a file ends the upload with a clear error and no message', async () => {
  const { ahmed, id, path } = await pair()
  const upload = openForm(cluster, ahmed, id, 'film.bin')
  const answer = upload.answer()
  await upload.write(randomBytes(6 * 1024 ** 2))
  const begun = 'select 1 from attachments where conversation_id = $1 and upload_id is not null'
  await expect.poll(async () => (await cluster.sql.query(begun, [id])).rowCount).toBe(1)
  proxy.cut()
  try {
    await upload.write(randomBytes(6 * 1024 ** 2))
    expect(await answer).toEqual({ status: 503, code: 'STORAGE_UNAVAILABLE' })
  } finally {
    upload.destroy()
    proxy.restore()
  }
  expect(dataOf(await cluster.api(ahmed).get<Message[]>(`${path}/messages`))).toEqual([])
  // What could not be removed is left to the worker, and no message can use it any more.
  const { rows } = await cluster.sql.query('select state from attachments where conversation_id = $1', [id])
  expect(rows).toEqual([{ state: 'DELETING' }])
})

it('a retry is answered with the stored message even if its own files cannot be removed', async () => {
  const { ahmed, id } = await pair()
  const once = () => post(cluster, ahmed, id, form({ content: 'x', clientMessageId: 'once' }, [['a.pdf', PDF]]))
  const first = dataOf(await once())
  front.judge = (method) => (method === 'DELETE' ? 403 : 'pass')
  try {
    expect(dataOf(await once()).id).toBe(first.id)
  } finally {
    front.judge = () => 'pass'
  }
  // The worker removes them.
  const { rows } = await cluster.sql.query(
    'select state from attachments where conversation_id = $1 order by created_at',
    [id],
  )
  expect(rows).toEqual([{ state: 'CLAIMED' }, { state: 'DELETING' }])
})

it('a form cut off between two files becomes no message and leaves no files', async () => {
  const { ahmed, id, path } = await pair()
  const upload = openForm(cluster, ahmed, id, 'a.txt')
  await upload.write(Buffer.from('whole\r\n--b\r\n'))
  const states = async () =>
    (await cluster.sql.query<{ state: string }>('select state from attachments where conversation_id = $1', [id])).rows
  await expect.poll(states).toEqual([{ state: 'READY' }])
  upload.destroy()
  await expect.poll(states).toEqual([])
  expect(dataOf(await cluster.api(ahmed).get<Message[]>(`${path}/messages`))).toEqual([])
})

it.each([
  ['a multipart upload is begun', 'POST', randomBytes(5 * 1024 ** 2 + 1_000)],
  ['a part is sent', 'PUT', randomBytes(5 * 1024 ** 2 + 1_000)],
  ['a file before the next one is removed', undefined, Buffer.from('whole\r\n--b\r\n')],
])('forms whose client leaves while the store is silent free their slots: %s', async (_what, asked, bytes) => {
  const { ahmed, id } = await pair()
  let silent = 0
  front.judge = (method) => {
    if (method === asked) silent++
    return method === asked || method === 'DELETE' ? 'silence' : 'pass'
  }
  const whole = `select from attachments where conversation_id = $1 and state = 'READY'`
  const reached = async () => (asked === undefined ? (await cluster.sql.query(whole, [id])).rowCount : silent)
  try {
    // As many as one person may send at a time.
    const forms = [1, 2, 3, 4].map((n) => openForm(cluster, ahmed, id, `${n}.bin`))
    for (const { write } of forms) await write(bytes)
    await expect.poll(reached).toBe(4)
    front.judge = (method) => (method === 'DELETE' ? 'silence' : 'pass')
    for (const { destroy } of forms) destroy()
    const send = async () => (await post(cluster, ahmed, id, form({ content: 'x' }, [['a.pdf', PDF]]))).status
    // Before the store's own time, of fifteen seconds, is up.
    await expect.poll(send).toBe(201)
  } finally {
    front.judge = () => 'pass'
  }
})

it('a form whose client leaves while the store is silent ends at once', async () => {
  const { ahmed, id } = await pair()
  const asked = Promise.withResolvers<void>()
  front.judge = (method) => {
    if (method !== 'PUT') return 'pass'
    asked.resolve()
    return 'silence'
  }
  try {
    const upload = openForm(cluster, ahmed, id, 'film.bin')
    // Little more than one part, so that no data is left unread: the connection’s end would not be noticed behind it.
    await upload.write(randomBytes(5 * 1024 ** 2 + 1_000))
    await asked.promise
    upload.destroy()
    const rows = async () =>
      (await cluster.sql.query('select from attachments where conversation_id = $1', [id])).rowCount
    // Before the store's own time, of fifteen seconds, is up.
    await expect.poll(rows).toBe(0)
  } finally {
    front.judge = () => 'pass'
  }
})
