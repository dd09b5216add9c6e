import { randomBytes } from 'node:crypto'
import { eventErrorsOf } from '@parley/docs'
import type { Attachment, Conversation, Message, StartedUpload, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, errorOf, group, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bucket, openBucket, PDF } from './attachments-bed.ts'

const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==',
  'base64',
)
const PART = 16 * 1024 ** 2
let cluster: Cluster
let bucket: Bucket
beforeAll(async () => {
  bucket = await openBucket()
  const env = { ...bucket.env, ATTACHMENT_DIRECT_MAX_BYTES: String(2 * PART), ATTACHMENT_TYPES: 'application/*,text/*' }
  cluster = await startCluster({ gateways: 2, env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const pathOf = (id: string) => `/api/messages/conversations/${id}/attachments`
const sendPath = (id: string) => `/api/messages/conversations/${id}/messages`
const start = (who: User, id: string, body: unknown) => cluster.api(who).post<StartedUpload>(pathOf(id), body)
const complete = (who: User, id: string, attachment: string) =>
  cluster.api(who).post<Attachment>(`${pathOf(id)}/${attachment}/complete`)

async function put(upload: StartedUpload, bytes: Buffer, only?: number): Promise<number[]> {
  const parts = upload.parts.filter(({ partNumber }) => only === undefined || partNumber === only)
  return Promise.all(
    parts.map(async ({ url, offset, size }) => {
      const body = new Uint8Array(bytes.subarray(offset, offset + size))
      return (await fetch(url, { method: upload.method, body })).status
    }),
  )
}

/** Completes an upload, ready for a message. */
async function uploaded(who: User, { id }: Pick<Conversation, 'id'>, bytes = PDF): Promise<Attachment> {
  const upload = dataOf(await start(who, id, { fileName: 'report.pdf', fileSize: bytes.length }))
  await put(upload, bytes)
  return dataOf(await complete(who, id, upload.id))
}

async function pair() {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const conversation = await direct(cluster, ahmed, fatima)
  return { ahmed, fatima, conversation, id: conversation.id }
}

describe('a direct upload', () => {
  it('of one part is a PUT, is completed, and used by a message', async () => {
    const { ahmed, fatima, id } = await pair()
    const upload = dataOf(await start(ahmed, id, { fileName: 'a/../report.pdf', fileSize: PDF.length }))
    expect(upload).toMatchObject({ fileName: 'report.pdf', method: 'PUT', url: upload.parts[0]?.url })
    expect(upload.formMaxBytes).toBe(25 * 1024 ** 2)
    expect(await put(upload, PDF)).toEqual([200])
    const attachment = dataOf(await complete(ahmed, id, upload.id))
    expect(attachment).toMatchObject({ id: upload.id, fileSize: PDF.length, fileType: 'application/pdf' })
    expect(dataOf(await complete(ahmed, id, upload.id)).id).toBe(upload.id)
    const message = dataOf(
      await cluster
        .api(ahmed)
        .post<Message>(sendPath(id), { content: 'Here', type: 'FILE', attachments: [{ id: upload.id }] }),
    )
    expect(message.attachments).toEqual([attachment])
    const [seen] = dataOf(await cluster.api(fatima).get<Message[]>(sendPath(id)))
    expect(await (await fetch(seen?.attachments[0]?.url ?? '')).text()).toBe(PDF.toString())
  })

  it('of several parts says which are missing, and can be continued', async () => {
    const { ahmed, id } = await pair()
    const bytes = Buffer.concat([PDF, randomBytes(PART)])
    const upload = dataOf(await start(ahmed, id, { fileName: 'large.pdf', fileSize: bytes.length }))
    expect([upload.url, upload.parts.length]).toEqual([null, 2])
    expect(await put(upload, bytes, 2)).toEqual([200])
    const early = await complete(ahmed, id, upload.id)
    expect([early.status, errorOf(early)]).toMatchObject([
      400,
      { code: 'UPLOAD_INCOMPLETE', details: { missingParts: [1] } },
    ])
    await put(upload, bytes, 1)
    expect(dataOf(await complete(ahmed, id, upload.id)).fileSize).toBe(bytes.length)
  })

  it('cannot be changed once it is complete, nor be longer than announced', async () => {
    const { ahmed, id } = await pair()
    const upload = dataOf(await start(ahmed, id, { fileName: 'a.pdf', fileSize: PDF.length }))
    const longer = await fetch(upload.url ?? '', { method: 'PUT', body: 'x'.repeat(PDF.length + 1) })
    expect(longer.status).toBe(403)
    await put(upload, PDF)
    const { url } = dataOf(await complete(ahmed, id, upload.id))
    const other = await fetch(upload.url ?? '', { method: 'PUT', body: 'x'.repeat(PDF.length) }).catch(() => undefined)
    expect(other?.ok ?? false).toBe(false)
    expect(await (await fetch(url)).text()).toBe(PDF.toString())
  })

  it('of a disallowed type is removed when it is inspected', async () => {
    const { ahmed, id } = await pair()
    const upload = dataOf(await start(ahmed, id, { fileName: 'a.pdf', fileSize: PNG.length }))
    await put(upload, PNG)
    const answer = await complete(ahmed, id, upload.id)
    expect([answer.status, errorOf(answer).code]).toEqual([415, 'FILE_TYPE_NOT_ALLOWED'])
    expect(await bucket.count(id)).toBe(0)
    expect((await complete(ahmed, id, upload.id)).status).toBe(404)
  })

  it('is refused if it is too large, empty, or somebody else’s', async () => {
    const { ahmed, fatima, id } = await pair()
    expect(errorOf(await start(ahmed, id, { fileName: 'a', fileSize: 2 * PART + 1 })).code).toBe('FILE_TOO_LARGE')
    expect(errorOf(await start(ahmed, id, { fileName: 'a', fileSize: 0 })).code).toBe('VALIDATION_FAILED')
    expect((await start(user('Stranger'), id, { fileName: 'a', fileSize: 1 })).status).toBe(404)
    const { id: upload } = dataOf(await start(ahmed, id, { fileName: 'a', fileSize: 1 }))
    expect(errorOf(await complete(fatima, id, upload)).code).toBe('ATTACHMENT_NOT_FOUND')
    expect((await cluster.api(fatima).delete(`${pathOf(id)}/${upload}`)).status).toBe(404)
    expect((await cluster.api(ahmed).delete(`${pathOf(id)}/${upload}`)).status).toBe(200)
  })

  it('cannot be completed or removed by somebody who has left', async () => {
    const [owner, other] = [user('Owner'), user('Other')]
    const { id } = await group(cluster, owner, [other])
    const upload = dataOf(await start(other, id, { fileName: 'a.pdf', fileSize: PDF.length }))
    await put(upload, PDF)
    dataOf(await cluster.api(other).delete(`/api/messages/conversations/${id}/participants/${other.id}`))
    const removed = await cluster.api(other).delete(`${pathOf(id)}/${upload.id}`)
    for (const answer of [await complete(other, id, upload.id), removed]) {
      expect([answer.status, errorOf(answer).code]).toEqual([404, 'CONVERSATION_NOT_FOUND'])
    }
  })

  it('is visible to nobody else until a message uses it', async () => {
    const { ahmed, fatima, conversation } = await pair()
    const { id } = await uploaded(ahmed, conversation)
    const ask = async (who: User) => {
      const headers = { authorization: `Bearer ${cluster.token(who)}` }
      const answer = await fetch(`${cluster.url}/api/messages/attachments/${id}`, { headers, redirect: 'manual' })
      return answer.status
    }
    expect([await ask(ahmed), await ask(fatima)]).toEqual([302, 404])
  })
})

describe('a message with uploads', () => {
  it('can be sent over a socket, too, and gets its type from them', async () => {
    const { ahmed, fatima, conversation, id } = await pair()
    const attachment = await uploaded(ahmed, conversation)
    const socket = await cluster.socket(ahmed)
    const message = dataOf(
      await emit<Message>(socket, 'sendMessage', { conversationId: id, attachments: [{ id: attachment.id }] }),
    )
    expect(message).toMatchObject({ type: 'FILE', content: '', attachments: [attachment] })
    expect(dataOf(await cluster.api(fatima).get<Message[]>(sendPath(id)))[0]?.attachments).toEqual([attachment])
  })

  it('cannot use uploads that are somebody else’s, unfinished, of another conversation or missing', async () => {
    const { ahmed, fatima, conversation, id } = await pair()
    const elsewhere = await group(cluster, ahmed, [fatima])
    const mine = await uploaded(ahmed, conversation)
    const unfinished = dataOf(await start(ahmed, id, { fileName: 'a', fileSize: 1 }))
    const cases = [
      [fatima, id, mine.id, 404, 'ATTACHMENT_NOT_FOUND'],
      [ahmed, elsewhere.id, mine.id, 404, 'ATTACHMENT_NOT_FOUND'],
      [ahmed, id, unfinished.id, 400, 'UPLOAD_INCOMPLETE'],
      [ahmed, id, crypto.randomUUID(), 404, 'ATTACHMENT_NOT_FOUND'],
      [user('Stranger'), id, mine.id, 404, 'CONVERSATION_NOT_FOUND'],
    ] as const
    for (const [who, where, attachment, status, code] of cases) {
      const answer = await cluster.api(who).post(sendPath(where), { content: 'x', attachments: [{ id: attachment }] })
      expect([answer.status, errorOf(answer).code]).toEqual([status, code])
    }
    expect(dataOf(await cluster.api(ahmed).get<Message[]>(sendPath(id)))).toEqual([])
  })

  it('uses them exclusively: of many at once, over two gateways and the api, one gets the file', async () => {
    const { ahmed, conversation, id } = await pair()
    const { id: file } = await uploaded(ahmed, conversation)
    const [a, b] = [await cluster.socket(ahmed, { gateway: 0 }), await cluster.socket(ahmed, { gateway: 1 })]
    const body = { content: 'x', attachments: [{ id: file }] }
    const answers = await Promise.all(
      Array.from({ length: 8 }, async () => [
        await emit<Message>(a, 'sendMessage', { ...body, conversationId: id }),
        await emit<Message>(b, 'sendMessage', { ...body, conversationId: id }),
        (await cluster.api(ahmed).post<Message>(sendPath(id), body)).body,
      ]),
    )
    const all = answers.flat()
    expect(all.filter((answer) => answer.success)).toHaveLength(1)
    for (const answer of all) if (!answer.success) expect(answer.error.code).toBe('ATTACHMENT_NOT_FOUND')
    const stored = dataOf(await cluster.api(ahmed).get<Message[]>(sendPath(id)))
    expect(stored.map(({ seq, attachments }) => [seq, attachments.map((one) => one.id)])).toEqual([[1, [file]]])
  })

  it('sent again under its clientMessageId is the same message, even simultaneously', async () => {
    const { ahmed, conversation, id } = await pair()
    const { id: file } = await uploaded(ahmed, conversation)
    const send = async () =>
      dataOf(
        await cluster
          .api(ahmed)
          .post<Message>(sendPath(id), { content: 'x', clientMessageId: 'c', attachments: [{ id: file }] }),
      )
    const sent = [...(await Promise.all([send(), send(), send()])), await send()]
    expect(new Set(sent.map((message) => message.id)).size).toBe(1)
    expect(sent[3]?.attachments[0]?.id).toBe(file)
  })

  it('that fails leaves its uploads for another message', async () => {
    const { ahmed, conversation, id } = await pair()
    const [one, two] = [await uploaded(ahmed, conversation), await uploaded(ahmed, conversation)]
    const api = cluster.api(ahmed)
    dataOf(await api.post(sendPath(id), { content: 'x', attachments: [{ id: one.id }] }))
    expect((await api.post(sendPath(id), { content: 'x', attachments: [{ id: two.id }, { id: one.id }] })).status).toBe(
      404,
    )
    expect(
      errorOf(await api.post(sendPath(id), { content: 'x', type: 'IMAGE', attachments: [{ id: two.id }] })).code,
    ).toBe('ATTACHMENT_TYPE_MISMATCH')
    expect(dataOf(await api.post<Message>(sendPath(id), { content: 'x', attachments: [{ id: two.id }] })).seq).toBe(2)
  })

  it('is refused if its file has changed in the store, or is gone', async () => {
    const { ahmed, conversation, id } = await pair()
    const { id: file } = await uploaded(ahmed, conversation)
    await cluster.sql.query('update attachments set file_size = file_size + 1 where id = $1', [file])
    const answer = await cluster.api(ahmed).post(sendPath(id), { content: 'x', attachments: [{ id: file }] })
    expect([answer.status, errorOf(answer).code]).toEqual([400, 'UPLOAD_INCOMPLETE'])
    const { id: lost } = await uploaded(ahmed, conversation)
    const object = `${bucket.endpoint}/${bucket.env.S3_BUCKET}/attachments/${id}/${lost}`
    expect((await fetch(object, { method: 'DELETE' })).status).toBe(204)
    const gone = await cluster.api(ahmed).post(sendPath(id), { content: 'x', attachments: [{ id: lost }] })
    expect([gone.status, errorOf(gone).code]).toEqual([404, 'ATTACHMENT_NOT_FOUND'])
  })

  it('is refused over a socket, too, with a documented code, if its file has become disallowed', async () => {
    const { ahmed, conversation, id } = await pair()
    const { id: file } = await uploaded(ahmed, conversation)
    const object = `${bucket.endpoint}/${bucket.env.S3_BUCKET}/attachments/${id}/${file}`
    expect((await fetch(object, { method: 'PUT', body: new Uint8Array(PNG) })).status).toBe(200)
    const socket = await cluster.socket(ahmed)
    const { code } = errorOf(await emit(socket, 'sendMessage', { conversationId: id, attachments: [{ id: file }] }))
    expect(code).toBe('FILE_TYPE_NOT_ALLOWED')
    expect(eventErrorsOf('sendMessage')).toContain(code)
  })
})
