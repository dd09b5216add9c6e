import { type Cluster, dataOf, direct, errorOf, group, startCluster, user } from '@parley/testkit'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Bucket, form, openBucket, PDF, post } from './attachments-bed.ts'

let cluster: Cluster
let bucket: Bucket
beforeAll(async () => {
  bucket = await openBucket()
  cluster = await startCluster({ gateways: 1, env: bucket.env })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

async function pair() {
  const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  const { id } = await direct(cluster, ahmed, fatima)
  return { ahmed, fatima, id }
}

describe('an attachment’s URL', () => {
  const send = async (name: string, bytes: Uint8Array) => {
    const people = await pair()
    const [attachment] = dataOf(
      await post(cluster, people.ahmed, people.id, form({ content: 'x' }, [[name, bytes]])),
    ).attachments
    if (attachment === undefined) throw new Error('no attachment')
    return { ...people, attachment }
  }

  it('works without a token, supports ranges and names the file', async () => {
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
    const forged = attachment.url.replace(
      /(X-Amz-Signature=)(.)/,
      (_, name, digit) => name + (digit === '0' ? '1' : '0'),
    )
    expect((await fetch(forged)).status).toBe(403)
  })

  it('shows pictures inline, but never HTML or SVG', async () => {
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

  it('is freshly signed for members, and for nobody else', async () => {
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

  it('is not given once the message is deleted, not even to its sender', async () => {
    const { ahmed, fatima, id, attachment } = await send('a.pdf', PDF)
    await cluster.sql.query('update messages set deleted_at = now() where conversation_id = $1', [id])
    for (const member of [ahmed, fatima]) {
      const answer = await cluster.api(member).get(`/api/messages/attachments/${attachment.id}`)
      expect([answer.status, errorOf(answer).code]).toEqual([404, 'ATTACHMENT_NOT_FOUND'])
    }
  })
})
