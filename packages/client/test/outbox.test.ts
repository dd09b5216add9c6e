import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { memoryStorage } from '../src/index.ts'
import { clientOf, liveClient } from './setting.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** A port on which nothing listens. */
const NOBODY = 'http://127.0.0.1:9'

describe('messages in a storage', () => {
  it('are stored before the first connection, and sent by the next client', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const storage = memoryStorage()
    const first = clientOf(cluster, a, { url: NOBODY, storage })
    const sent = [first.client.send(id, 'before the first token')]
    first.client.connect()
    await expect.poll(() => first.errors.length).toBeGreaterThan(0)
    sent.push(first.client.send(id, 'without a connection'))
    first.client.close()
    for (const one of sent) await expect(one).rejects.toMatchObject({ code: 'CLOSED' })
    using second = clientOf(cluster, a, { storage })
    second.client.connect()
    expect((await second.client.send(id, 'after the reload')).seq).toBe(3)
    const { messages } = (await second.client.open(id)).getSnapshot()
    expect(messages.map(({ content }) => content)).toEqual([
      'before the first token',
      'without a connection',
      'after the reload',
    ])
    await expect.poll(() => storage.load(a.id)).toEqual([])
  })

  it('are sent first, however slow the storage is', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const kept = memoryStorage()
    await kept.put(a.id, { clientMessageId: 'old', conversationId: id, content: 'old', createdAt: 1, order: 1 })
    const connected = Promise.withResolvers<void>()
    const storage = { ...kept, load: (userId: string) => connected.promise.then(() => kept.load(userId)) }
    using ahmed = clientOf(cluster, a, { storage })
    const syncing = new Promise<void>((resolve) => {
      ahmed.client.on('state', (state) => state === 'syncing' && resolve())
    })
    ahmed.client.connect()
    await syncing
    const sent = ahmed.client.send(id, 'new')
    // After an HTTP round trip, a message would have been sent by now.
    await ahmed.client.searchUsers('nobody')
    connected.resolve()
    expect((await sent).seq).toBe(2)
  })

  it('are stored again when they are retried', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const storage = memoryStorage()
    using ahmed = await liveClient(cluster, a, { storage })
    await expect(ahmed.client.send(id, ' ')).rejects.toMatchObject({ code: 'VALIDATION_FAILED' })
    await expect.poll(() => storage.load(a.id)).toEqual([])
    ahmed.client.disconnect()
    const [failed] = ahmed.client.messages(id).getSnapshot().pending
    ahmed.client.retry(failed?.clientMessageId ?? '')
    await expect.poll(() => storage.load(a.id)).toHaveLength(1)
  })
})

it('a message above the size limit of a gateway fails, and the connection stays up', async () => {
  const [a, b] = [user('Ahmed'), user('Fatima')]
  const { id } = await direct(cluster, a, b)
  using ahmed = await liveClient(cluster, a)
  await expect(ahmed.client.send(id, 'x'.repeat(3_000_000))).rejects.toMatchObject({ code: 'VALIDATION_FAILED' })
  expect((await ahmed.client.send(id, 'fine')).seq).toBe(1)
  expect(ahmed.errors).toEqual([])
})
