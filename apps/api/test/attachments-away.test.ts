import { randomBytes } from 'node:crypto'
import type { Message, StartedUpload } from '@parley/protocol'
import { type Cluster, dataOf, direct, errorOf, startCluster, type TcpProxy, tcpProxy, user } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Bucket, form, openBucket, openForm, PDF, post } from './attachments-bed.ts'

let cluster: Cluster
let bucket: Bucket
let proxy: TcpProxy
beforeAll(async () => {
  bucket = await openBucket()
  const { protocol, hostname, port } = new URL(bucket.endpoint)
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
})

async function pair() {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  return { ahmed, id, path: `/api/messages/conversations/${id}` }
}

it('with the store away nothing is sent, the error says so, and messages without files go on', async () => {
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

it('a store that goes away in the middle of a file ends the upload with a clear error, and no message', async () => {
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
  // What could not be removed is left to the worker, and no message can name it any more.
  const { rows } = await cluster.sql.query('select state from attachments where conversation_id = $1', [id])
  expect(rows).toEqual([{ state: 'DELETING' }])
})
