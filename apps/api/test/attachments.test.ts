import { createHash, randomBytes } from 'node:crypto'
import type { Message } from '@parley/protocol'
import { type Cluster, dataOf, direct, errorOf, group, next, type Reply, startCluster, user } from '@parley/testkit'
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
  it('is one message with attachments, for its sender and for every member', async () => {
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

  it('keeps a file of several parts byte for byte', async () => {
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

  it('takes the type from the bytes, and the message’s type has to fit', async () => {
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

  it('sent again under the same clientMessageId is stored once, with the files of the first time', async () => {
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

  it('for somebody who is not in the conversation, before a byte of a file is stored', async () => {
    const { ahmed, id } = await pair()
    const answer = await post(cluster, user('Stranger'), id, form({ content: 'x' }, [['a.pdf', PDF]]))
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'CONVERSATION_NOT_FOUND'])
    await nothingStays(id, ahmed)
  })

  it('for a form that is cut off or is none', async () => {
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

  it('when the client goes away in the middle', async () => {
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

describe('an attachment’s address', () => {
  const send = async (name: string, bytes: Uint8Array) => {
    const people = await pair()
    const [attachment] = dataOf(
      await post(cluster, people.ahmed, people.id, form({ content: 'x' }, [[name, bytes]])),
    ).attachments
    if (attachment === undefined) throw new Error('no attachment')
    return { ...people, attachment }
  }

  it('works without a token, honours ranges and names the file', async () => {
    const { attachment } = await send('Bericht über “alles”.pdf', PDF)
    const whole = await fetch(attachment.url)
    expect(whole.status).toBe(200)
    expect(Buffer.from(await whole.arrayBuffer())).toEqual(PDF)
    expect(whole.headers.get('content-type')).toBe('application/pdf')
    expect(whole.headers.get('content-disposition')).toContain(
      "filename*=UTF-8''Bericht%20%C3%BCber%20%E2%80%9Calles%E2%80%9D.pdf",
    )
    const part = await fetch(attachment.url, { headers: { range: 'bytes=0-4' } })
    expect([part.status, await part.text()]).toEqual([206, '%PDF-'])
    expect((await fetch(attachment.url.replace(/X-Amz-Signature=./, 'X-Amz-Signature=0'))).status).toBe(403)
  })

  it('shows pictures in place, and never HTML or SVG', async () => {
    const png = await sharp({ create: { width: 2, height: 2, channels: 3, background: 'red' } })
      .png()
      .toBuffer()
    const served = async (name: string, bytes: Uint8Array) => {
      const { attachment } = await send(name, bytes)
      const { headers } = await fetch(attachment.url)
      return [headers.get('content-disposition')?.split(';')[0], headers.get('content-type'), attachment.fileType]
    }
    expect(await served('a.png', png)).toEqual(['inline', 'image/png', 'image/png'])
    expect(
      await served('a.png', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>')),
    ).toEqual(['attachment', 'application/octet-stream', 'image/svg+xml'])
    expect(await served('a.txt', Buffer.from('<!-- x --><!DOCTYPE html><script>1</script>'))).toEqual([
      'attachment',
      'application/octet-stream',
      'text/html',
    ])
  })

  it('is signed anew for members, and for nobody else', async () => {
    const { ahmed, fatima, attachment } = await send('a.pdf', PDF)
    const ask = (who: Parameters<Cluster['token']>[0] | null, id = attachment.id, method = 'GET') =>
      fetch(`${cluster.url}/api/messages/attachments/${id}`, {
        method,
        redirect: 'manual',
        ...(who === null ? {} : { headers: { authorization: `Bearer ${cluster.token(who)}` } }),
      })
    for (const member of [ahmed, fatima]) {
      const answer = await ask(member)
      expect(answer.status).toBe(302)
      expect(answer.headers.get('cache-control')).toBe('private, no-store')
      expect(await (await fetch(answer.headers.get('location') ?? '')).text()).toBe(PDF.toString())
    }
    const head = await ask(fatima, attachment.id, 'HEAD')
    expect((await fetch(head.headers.get('location') ?? '', { method: 'HEAD' })).status).toBe(200)
    expect((await ask(null)).status).toBe(401)
    expect((await ask(user('Stranger'))).status).toBe(404)
    expect((await ask(fatima, crypto.randomUUID())).status).toBe(404)
  })

  it('is not given to somebody who has left', async () => {
    const [owner, other] = [user('Owner'), user('Other')]
    const { id } = await group(cluster, owner, [other])
    const [attachment] = dataOf(await post(cluster, owner, id, form({ content: 'x' }, [['a.pdf', PDF]]))).attachments
    dataOf(await cluster.api(other).delete(`/api/messages/conversations/${id}/participants/${other.id}`))
    const answer = await cluster.api(other).get(`/api/messages/attachments/${attachment?.id}`)
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'ATTACHMENT_NOT_FOUND'])
  })
})
