import { createHash, randomBytes } from 'node:crypto'
import type { Message } from '@parley/protocol'
import { type Cluster, dataOf, direct, errorOf, next, type Reply, startCluster, user } from '@parley/testkit'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bucket, form, openBucket, openForm, PDF, post } from './attachments-bed.ts'

let cluster: Cluster
let bucket: Bucket
beforeAll(async () => {
  bucket = await openBucket()
  cluster = await startCluster({
    gateways: 1,
    env: {
      ...bucket.env,
      ATTACHMENT_MAX_BYTES: String(12 * 1024 ** 2),
      ATTACHMENT_TYPES: 'image/*,video/*,audio/*,text/*,application/pdf,application/octet-stream,application/zip',
    },
  })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

async function pair() {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  return { ahmed, fatima, id, path: `/api/messages/conversations/${id}/messages` }
}

describe('a form with files', () => {
  it('becomes one message with attachments, for its sender and every member', async () => {
    const { ahmed, fatima, id } = await pair()
    const socket = await cluster.socket(fatima)
    const received = next(socket, 'newMessage')
    const answer = await post(
      cluster,
      ahmed,
      id,
      form({ content: 'Check out this document', type: 'FILE' }, [['report.pdf', PDF]]),
    )
    expect(answer.status).toBe(201)
    const message = dataOf(answer)
    expect(message).toMatchObject({ content: 'Check out this document', type: 'FILE', senderId: ahmed.id })
    expect(message.attachments).toEqual([
      {
        id: expect.any(String),
        fileName: 'report.pdf',
        fileSize: PDF.length,
        fileType: 'application/pdf',
        url: expect.any(String),
      },
    ])
    expect(await received).toEqual(message)
    const page = await cluster.api(fatima).get<Message[]>(`/api/messages/conversations/${id}/messages`)
    expect(dataOf(page)[0]?.attachments).toEqual(message.attachments)
    const list = await cluster.api(fatima).get<{ lastMessage: Message }[]>('/api/messages/conversations')
    expect(dataOf(list)[0]?.lastMessage.attachments).toEqual(message.attachments)
  })

  it('may have files before its fields, several of them, and no content', async () => {
    const { ahmed, id } = await pair()
    const body = new FormData()
    body.append('file', new Blob([PDF]), 'a.pdf')
    body.append('file', new Blob(['hello']), 'b.txt')
    body.append('type', 'FILE')
    const { attachments, content } = dataOf(await post(cluster, ahmed, id, body))
    expect(content).toBe('')
    expect(attachments.map(({ fileName, fileType }) => [fileName, fileType])).toEqual([
      ['a.pdf', 'application/pdf'],
      ['b.txt', 'text/plain'],
    ])
  })

  it('stores a file of several parts byte for byte', async () => {
    const { ahmed, id } = await pair()
    const bytes = randomBytes(11 * 1024 ** 2 + 17)
    const message = dataOf(await post(cluster, ahmed, id, form({ content: 'x' }, [['big.bin', bytes]])))
    expect(message.type).toBe('FILE')
    const stored = Buffer.from(await (await fetch(message.attachments[0]?.url ?? '')).arrayBuffer())
    const hash = (data: Uint8Array) => createHash('sha256').update(data).digest('hex')
    expect(hash(stored)).toBe(hash(bytes))
  })

  it('shows a picture with its size and a small preview', async () => {
    const { ahmed, id } = await pair()
    const picture = await sharp({ create: { width: 300, height: 200, channels: 3, background: 'red' } })
      .jpeg()
      .withMetadata({ orientation: 6 })
      .toBuffer()
    const message = dataOf(await post(cluster, ahmed, id, form({ content: 'Look' }, [['photo.jpg', picture]])))
    expect(message.type).toBe('IMAGE')
    const [attachment] = message.attachments
    expect(attachment).toMatchObject({ fileType: 'image/jpeg', width: 200, height: 300 })
    expect(attachment?.preview).toMatch(/^data:image\/webp;base64,/)
    expect(attachment?.preview?.length).toBeLessThan(1_000)
  })

  it('detects the type from the content, which must match the message’s type', async () => {
    const { ahmed, id } = await pair()
    const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const disguised = dataOf(
      await post(cluster, ahmed, id, form({ content: 'x', type: 'IMAGE' }, [['holiday.txt', png]])),
    )
    expect(disguised.attachments[0]?.fileType).toBe('image/png')
    for (const [type, name, bytes] of [
      ['IMAGE', 'photo.png', PDF],
      ['VIDEO', 'film.mp4', png],
      ['AUDIO', 'song.mp3', png],
      ['TEXT', 'a.png', png],
    ] as const) {
      const answer = await post(cluster, ahmed, id, form({ content: 'x', type }, [[name, bytes]]))
      expect([answer.status, errorOf(answer).code]).toEqual([
        400,
        type === 'TEXT' ? 'VALIDATION_FAILED' : 'ATTACHMENT_TYPE_MISMATCH',
      ])
    }
    const late = new FormData()
    late.append('file', new Blob([PDF]), 'a.pdf')
    late.append('type', 'IMAGE')
    expect(errorOf(await post(cluster, ahmed, id, late)).code).toBe('ATTACHMENT_TYPE_MISMATCH')
    expect(await bucket.count(id)).toBe(1)
  })

  it('sent again under the same clientMessageId is stored once, with the first files', async () => {
    const { ahmed, id } = await pair()
    const once = () => post(cluster, ahmed, id, form({ content: 'x', clientMessageId: 'once' }, [['a.pdf', PDF]]))
    const first = dataOf(await once())
    expect(dataOf(await once()).attachments[0]?.id).toBe(first.attachments[0]?.id)
    expect(await bucket.count(id)).toBe(1)
  })

  it('names files safely', async () => {
    const { ahmed, id } = await pair()
    const names = ['../../etc/passwd', 'تقرير.pdf', 'photo\u202Egpj.exe', `${'x'.repeat(400)}.pdf`]
    const message = dataOf(
      await post(
        cluster,
        ahmed,
        id,
        form(
          { content: 'x' },
          names.map((name) => [name, PDF] as const),
        ),
      ),
    )
    expect(message.attachments.map(({ fileName }) => fileName)).toEqual([
      'passwd',
      'تقرير.pdf',
      'photogpj.exe',
      `${'x'.repeat(251)}.pdf`,
    ])
  })
})

describe('a form that is refused', () => {
  const nothingStays = async (id: string, who: { id: string }) => {
    expect(await bucket.count(id)).toBe(0)
    const { rows } = await cluster.sql.query('select state from attachments where conversation_id = $1', [id])
    expect(rows).toEqual([])
    expect(dataOf(await cluster.api(who.id).get<Message[]>(`/api/messages/conversations/${id}/messages`))).toEqual([])
  }

  it('for a file over the limit, in the middle of its stream', async () => {
    const { ahmed, id } = await pair()
    const answer = await post(
      cluster,
      ahmed,
      id,
      form({ content: 'x' }, [
        ['small.pdf', PDF],
        ['big.bin', randomBytes(13 * 1024 ** 2)],
      ]),
    )
    expect([answer.status, errorOf(answer).code]).toEqual([413, 'FILE_TOO_LARGE'])
    await nothingStays(id, ahmed)
  })

  it('for a type that is not allowed', async () => {
    const { ahmed, id } = await pair()
    const exe = Buffer.concat([Buffer.from('7F454C46020101000000000000000000', 'hex'), Buffer.alloc(100)])
    const answer = await post(cluster, ahmed, id, form({ content: 'x' }, [['holiday.jpg', exe]]))
    expect([answer.status, errorOf(answer).code]).toEqual([415, 'FILE_TYPE_NOT_ALLOWED'])
    await nothingStays(id, ahmed)
  })

  it('for more than ten files, no content and no file, or over-long content', async () => {
    const { ahmed, id } = await pair()
    const eleven = Array.from({ length: 11 }, (_, i) => [`${i}.pdf`, PDF] as const)
    for (const body of [
      form({ content: 'x' }, eleven),
      form({ content: '  ' }, []),
      form({ content: 'x'.repeat(10_001) }, [['a.pdf', PDF]]),
      form({ content: 'x'.repeat(60_000) }, []),
    ]) {
      const answer = await post(cluster, ahmed, id, body)
      expect([answer.status, errorOf(answer).code]).toEqual([400, 'VALIDATION_FAILED'])
    }
    await nothingStays(id, ahmed)
  })

  it('for more than twenty fields, without naming one of them', async () => {
    const { ahmed, id } = await pair()
    const fields = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`field-${i}`, 'x']))
    const answer = await post(cluster, ahmed, id, form(fields, [['a.pdf', PDF]]))
    const message = 'A form has at most 20 fields besides its files.'
    expect([answer.status, errorOf(answer)]).toMatchObject([
      400,
      { code: 'VALIDATION_FAILED', message, details: [{ path: '', message }] },
    ])
    await nothingStays(id, ahmed)
  })

  it('for a field that is not the JSON it claims to be, or has a forbidden name', async () => {
    const { ahmed, id, path } = await pair()
    const headers = {
      authorization: `Bearer ${cluster.token(ahmed)}`,
      'content-type': 'multipart/form-data; boundary=b',
    }
    for (const field of ['name="content"\r\nContent-Type: application/json', 'name="constructor"']) {
      const body = `--b\r\nContent-Disposition: form-data; ${field}\r\n\r\nno JSON\r\n--b--\r\n`
      const answer = await fetch(cluster.url + path, { method: 'POST', headers, body })
      const { status } = answer
      expect([status, errorOf((await answer.json()) as Reply<unknown>).code]).toEqual([400, 'VALIDATION_FAILED'])
    }
    await nothingStays(id, ahmed)
  })

  it('for somebody who is not in the conversation, before a byte of a file is stored', async () => {
    const { ahmed, id } = await pair()
    const answer = await post(cluster, user('Stranger'), id, form({ content: 'x' }, [['a.pdf', PDF]]))
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'CONVERSATION_NOT_FOUND'])
    const endless = openForm(cluster, user('Stranger'), id, 'film.bin')
    expect(await endless.answer()).toEqual({ status: 404, code: 'CONVERSATION_NOT_FOUND' })
    endless.destroy()
    await nothingStays(id, ahmed)
  })

  it('for a form that is cut off or invalid', async () => {
    const { ahmed, id, path } = await pair()
    const headers = {
      authorization: `Bearer ${cluster.token(ahmed)}`,
      'content-type': 'multipart/form-data; boundary=b',
    }
    for (const body of [
      '--b\r\nContent-Disposition: form-data; name="file"; filename="a.bin"\r\n\r\nabc',
      'nothing of the kind',
      '',
    ]) {
      const answer = await fetch(cluster.url + path, { method: 'POST', headers, body })
      expect(answer.status).toBe(400)
      expect(((await answer.json()) as Reply<unknown>).success).toBe(false)
    }
    await nothingStays(id, ahmed)
  })

  it('when the client disconnects in the middle', async () => {
    const { ahmed, id } = await pair()
    const upload = openForm(cluster, ahmed, id, 'film.bin')
    await upload.write(randomBytes(7 * 1024 ** 2))
    await expect
      .poll(
        async () =>
          (
            await cluster.sql.query('select 1 from attachments where conversation_id = $1 and upload_id is not null', [
              id,
            ])
          ).rowCount,
      )
      .toBe(1)
    upload.destroy()
    await expect
      .poll(
        async () => (await cluster.sql.query('select 1 from attachments where conversation_id = $1', [id])).rowCount,
      )
      .toBe(0)
    await nothingStays(id, ahmed)
  })
})
