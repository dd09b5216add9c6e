import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { UploadProgress } from '../src/index.ts'
import { liveClient, untilDelivered } from './setting.ts'

const MEGABYTE = 1024 * 1024
let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, env: { ATTACHMENT_MAX_BYTES: String(5 * MEGABYTE) } })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('files', () => {
  it.each([
    ['in a form', MEGABYTE],
    ['straight into the store', 12 * MEGABYTE],
  ])('go %s, with progress, and arrive as they were', async (_, size) => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const bytes = new Uint8Array(size).map((_, i) => 32 + (i % 90))
    const progress: UploadProgress[] = []
    const file = new File([bytes], 'grüße.txt', { type: 'text/plain' })
    const sent = await ahmed.client.sendFile(id, file, {
      content: 'Look',
      onProgress: (step) => progress.push(step),
    })
    expect(sent).toMatchObject({ content: 'Look', type: 'FILE', seq: 1 })
    expect(sent.attachments).toMatchObject([{ fileName: 'grüße.txt', fileSize: size }])
    expect(progress.length).toBeGreaterThan(2)
    expect(progress.at(-1)?.sentBytes).toBe(progress[0]?.totalBytes)
    const [received] = await untilDelivered(fatima, ({ length }) => length === 1)
    const fetched = await fetch(received?.attachments[0]?.url ?? '')
    expect(Buffer.from(await fetched.arrayBuffer()).equals(bytes)).toBe(true)
  })

  it('are sent from a service worker, which cannot stream request bodies', async () => {
    vi.stubGlobal('ServiceWorkerGlobalScope', class {})
    onTestFinished(() => void vi.unstubAllGlobals())
    const strict: typeof fetch = async (input, init) => {
      if (init?.body instanceof ReadableStream) throw new TypeError('Failed to fetch')
      return fetch(input, init)
    }
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a, { fetch: strict })
    for (const size of [MEGABYTE, 12 * MEGABYTE]) {
      const onProgress = vi.fn<(progress: UploadProgress) => void>()
      const file = new File([new Uint8Array(size)], 'zeros.bin')
      const sent = await ahmed.client.sendFile(id, file, { onProgress })
      expect(sent.attachments).toMatchObject([{ fileSize: size }])
      const [last] = onProgress.mock.lastCall ?? []
      expect(last?.sentBytes).toBe(last?.totalBytes)
    }
  })

  it('can be sent several to a message', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const names = ['one.txt', 'two.txt']
    const uploaded = await Promise.all(names.map((name) => ahmed.client.upload(id, new File([name], name))))
    const attachmentIds = uploaded.map((attachment) => attachment.id)
    const { attachments } = await ahmed.client.send(id, 'Both', { attachmentIds })
    expect(attachments.map(({ fileName }) => fileName)).toEqual(names)
  })

  it('can be aborted during the upload', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const stop = new AbortController()
    const file = new File([new Uint8Array(4 * MEGABYTE)], 'zeros.bin')
    const sending = ahmed.client.sendFile(id, file, { signal: stop.signal, onProgress: () => stop.abort() })
    await expect(sending).rejects.toMatchObject({ code: 'ABORTED' })
    expect((await ahmed.client.send(id, 'first')).seq).toBe(1)
  })

  it('that exceed this cluster’s limit for forms are uploaded directly', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const sent = await ahmed.client.sendFile(id, new File([new Uint8Array(6 * MEGABYTE)], 'zeros.bin'))
    expect(sent).toMatchObject({ seq: 1, attachments: [{ fileSize: 6 * MEGABYTE }] })
  })

  it('arrive even if the responses to a part and to the completion are lost', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const losses = ['PUT', 'complete']
    const lossy: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init)
      const lost = losses.findIndex((what) => init?.method === what || String(input).endsWith(what))
      if (lost < 0) return answer
      losses.splice(lost, 1)
      throw new TypeError('fetch failed')
    }
    using ahmed = await liveClient(cluster, a, { fetch: lossy })
    const sent = await ahmed.client.sendFile(id, new File([new Uint8Array(9 * MEGABYTE)], 'zeros.bin'))
    expect([sent.attachments[0]?.fileSize, losses]).toEqual([9 * MEGABYTE, []])
  })

  it.each([
    ['in a form', MEGABYTE],
    ['straight into the store', 12 * MEGABYTE],
  ])('do not go %s once the client is closed', async (_, size) => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const file = new File([new Uint8Array(size)], 'zeros.bin')
    const sending = ahmed.client.sendFile(id, file, { onProgress: () => ahmed.client.close() })
    await expect(sending).rejects.toMatchObject({ code: 'CLOSED' })
    await expect(ahmed.client.sendFile(id, file)).rejects.toMatchObject({ code: 'CLOSED' })
    const { rows } = await cluster.sql.query('select seq from messages where conversation_id = $1', [id])
    expect(rows).toEqual([])
  })

  it('are refused with the reason', async () => {
    const [a, b, stranger] = [user('Ahmed'), user('Fatima'), user('Stranger')]
    const { id } = await direct(cluster, a, b)
    await cluster.register(stranger)
    using other = await liveClient(cluster, stranger)
    const sending = other.client.sendFile(id, new File(['text'], 'a.txt'))
    await expect(sending).rejects.toMatchObject({ code: 'CONVERSATION_NOT_FOUND', status: 404 })
  })
})

describe('search', () => {
  it('finds messages and people', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima Unusual')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const sent = await ahmed.client.send(id, 'The quick brown fox')
    const search = () => ahmed.client.search('quick fo', { conversationId: id })
    await expect.poll(async () => (await search()).total).toBe(1)
    const found = await search()
    expect(found.data).toMatchObject([{ id: sent.id, conversation: { type: 'DIRECT' } }])
    const at = new Date(sent.createdAt)
    expect((await ahmed.client.search('fox', { from: at, to: at })).total, 'both ends are included').toBe(1)
    expect((await ahmed.client.searchUsers('unusual')).data).toEqual([b])
  })

  it('mutes conversations and sends visibility', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    await ahmed.client.mute(id, new Date('2050-01-01T00:00:00Z'))
    const { rows } = await cluster.sql.query('select muted_until from participants where user_id = $1', [a.id])
    expect(rows).toEqual([{ muted_until: new Date('2050-01-01T00:00:00Z') }])
    await ahmed.client.mute(id, null)
    ahmed.client.setVisibility(false)
    ahmed.client.setVisibility(true)
    await ahmed.client.send(id, 'after')
    expect(ahmed.errors).toEqual([])
  })
})
