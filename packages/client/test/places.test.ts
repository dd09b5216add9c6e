import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { liveClient } from './setting.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('a place in the history', () => {
  it('is shown with pages on both sides, and left for the newest page', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    for (let i = 0; i < 3; i++) {
      await Promise.all(Array.from({ length: 60 }, (_, k) => ahmed.client.send(id, `message ${60 * i + k}`)))
    }
    using fatima = await liveClient(cluster, b)
    const { client } = fatima
    const shown = await client.openAt(id, 70)
    const seqs = () => shown.getSnapshot().messages.map(({ seq }) => seq)
    const from = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)
    expect(seqs()).toEqual(from(45, 94))
    expect(shown.getSnapshot()).toMatchObject({ hasOlder: true, hasNewer: true, status: 'ready' })
    await client.openAt(id, 50)
    expect(seqs(), 'it was held already').toEqual(from(45, 94))
    await client.loadNewer(id)
    await client.loadOlder(id)
    expect(seqs()).toEqual(from(1, 144))
    expect(shown.getSnapshot()).toMatchObject({ hasOlder: false, hasNewer: true })
    await client.loadNewer(id)
    expect(shown.getSnapshot().hasNewer).toBe(false)
    await client.openAt(id, 1)
    await client.open(id)
    expect(seqs().at(-1)).toBe(180)
  })

  it('is the newest page if it is at the end', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    await ahmed.client.send(id, 'one')
    const shown = await ahmed.client.openAt(id, 1)
    expect(shown.getSnapshot()).toMatchObject({ hasOlder: false, hasNewer: false })
    await ahmed.client.refreshMessage({ conversationId: id, seq: 1 })
    expect(shown.getSnapshot().messages.map(({ content }) => content)).toEqual(['one'])
  })
})

describe('per-user settings', () => {
  it('list the conversations that are muted now', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    expect(await ahmed.client.mutes()).toEqual(new Map())
    const moment = new Date('2999-01-01T00:00:00Z')
    await ahmed.client.mute(id, moment)
    expect(await ahmed.client.mutes()).toEqual(new Map([[id, moment]]))
    await ahmed.client.mute(id, new Date(0))
    expect(await ahmed.client.mutes()).toEqual(new Map())
  })

  it('have a push key only if the cluster sends pushes', async () => {
    using ahmed = await liveClient(cluster, user('Ahmed'))
    expect(await ahmed.client.pushPublicKey()).toBeNull()
  })
})
