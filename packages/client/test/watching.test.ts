import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Message, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, group, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, liveClient, type TestClient, until } from './setting.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Subscribes to a conversation's messages, as a view does. */
function watch({ client }: TestClient, id: string) {
  const shown = client.messages(id)
  const stop = shown.subscribe(() => undefined)
  return { shown, [Symbol.dispose]: stop }
}

/** A `fetch` whose requests for messages can be held back or made to fail. */
function faultyFetch() {
  const faults: { before: () => Promise<void> } = { before: async () => undefined }
  const faulty: typeof fetch = async (input, init) => {
    if (new URL(String(input)).pathname.endsWith('/messages')) await faults.before()
    return fetch(input, init)
  }
  return { faults, fetch: faulty }
}

describe('a conversation with a subscriber', () => {
  it('is loaded when the user is added to it, and when they are added again', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    await cluster.register(c)
    const { id } = await group(cluster, a, [b])
    using ahmed = await liveClient(cluster, a)
    await ahmed.client.send(id, 'one')
    using omar = await liveClient(cluster, c)
    using watched = watch(omar, id)
    await ahmed.client.addParticipants(id, [c.id])
    await until(watched.shown, ({ messages }) => messages.length === 2)
    await ahmed.client.removeParticipant(id, c.id)
    await until(watched.shown, ({ status }) => status === 'idle')
    await ahmed.client.addParticipants(id, [c.id])
    await until(watched.shown, ({ messages }) => messages.length === 4)
  })

  it('is loaded again if the first page was still loading when the user left', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    await cluster.register(c)
    const { id } = await group(cluster, a, [b, c])
    using ahmed = await liveClient(cluster, a)
    const { faults, fetch } = faultyFetch()
    using omar = await liveClient(cluster, c, { fetch })
    const held = Promise.withResolvers<void>()
    faults.before = () => held.promise
    using watched = watch(omar, id)
    await until(watched.shown, ({ status }) => status === 'loading')
    await ahmed.client.removeParticipant(id, c.id)
    await until(watched.shown, ({ status }) => status === 'idle')
    faults.before = async () => undefined
    await ahmed.client.addParticipants(id, [c.id])
    await until(watched.shown, ({ messages }) => messages.length === 2)
    held.resolve()
  })

  it('is loaded once the server is reachable again', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const { faults, fetch } = faultyFetch()
    using ahmed = await liveClient(cluster, a, { fetch })
    faults.before = () => Promise.reject(new TypeError('fetch failed'))
    using watched = watch(ahmed, id)
    await expect.poll(() => ahmed.errors.length).toBeGreaterThan(0)
    expect(watched.shown.getSnapshot().status).toBe('idle')
    faults.before = async () => undefined
    await until(watched.shown, ({ status }) => status === 'ready')
  })

  it('is reloaded when messages were skipped on an open connection', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b, { catchUpLimit: 1 })
    using watched = watch(fatima, id)
    await until(watched.shown, ({ status }) => status === 'ready')
    const skipped = new Promise((resolve) => fatima.client.on('skipped', resolve))
    // As if the gateway had failed to deliver all but the last of these.
    await cluster.sql.query(
      `insert into messages (conversation_id, seq, rev, id, sender_id, content, type, attachments, created_at, updated_at)
       select $1, n, n, gen_random_uuid(), $2, 'unheard ' || n, 'TEXT', '[]', now(), now() from generate_series(1, 150) n`,
      [id, a.id],
    )
    await cluster.sql.query('update conversations set last_seq = 150, rev = 150 where id = $1', [id])
    using ahmed = await liveClient(cluster, a)
    await ahmed.client.send(id, 'heard')
    expect(await skipped).toEqual({ conversationId: id, fromSeq: 1, toSeq: 51 })
    await until(watched.shown, ({ messages }) => messages.at(-1)?.content === 'heard')
  })
})

describe('the readers of a message', () => {
  /** The readers of each message, by seq, according to the server now. */
  const readersOf = async (who: User, id: string) => {
    const page = await cluster.api(who).get<Message[]>(`/api/messages/conversations/${id}/messages`)
    return dataOf(page).map(({ readBy }) => readBy)
  }

  it('include a user who read it while the page was loading', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b)
    const [asked, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    const slow: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init)
      asked.resolve()
      await held.promise
      return answer
    }
    using ahmed = await liveClient(cluster, a, { fetch: slow })
    const sent = await ahmed.client.send(id, 'one')
    const opened = ahmed.client.open(id)
    await asked.promise
    await until(fatima.client.unread, (unread) => unread === 1)
    fatima.client.markAsRead(id)
    await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 1)
    held.resolve()
    const { messages } = (await opened).getSnapshot()
    expect(messages.map(({ readBy }) => readBy)).toEqual([[a.id, b.id]])
    expect(ahmed.client.readBy(sent)).toEqual([a.id, b.id])
  })

  it('match the server, also when members join and leave', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    await cluster.register(c)
    const { id } = await group(cluster, a, [b])
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    using omar = await liveClient(cluster, c)
    const stores = [await ahmed.client.open(id), await fatima.client.open(id)]
    const alike = async () => {
      const readers = await readersOf(a, id)
      for (const store of stores) {
        const { messages } = await until(store, ({ messages }) => messages.length === readers.length)
        expect(messages.map(({ readBy }) => readBy.toSorted())).toEqual(readers.map((readBy) => readBy.toSorted()))
      }
      return readers
    }
    await ahmed.client.send(id, 'one')
    await until(fatima.client.unread, (unread) => unread === 1)
    fatima.client.markAsRead(id)
    await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 1)
    await ahmed.client.addParticipants(id, [c.id])
    await until(fatima.client.receipts(id), (marks) => marks.has(c.id))
    expect(await alike()).toEqual([[a.id, b.id], [a.id]])
    await until(omar.client.unread, (unread) => unread === 1)
    omar.client.markAsRead(id)
    for (const { client } of [ahmed, fatima]) await until(client.receipts(id), (marks) => marks.get(c.id) === 2)
    expect(await alike()).toEqual([
      [a.id, b.id],
      [a.id, c.id],
    ])
    await ahmed.client.removeParticipant(id, c.id)
    for (const { client } of [ahmed, fatima]) await until(client.receipts(id), (marks) => !marks.has(c.id))
    expect((await alike())[1]).toEqual([a.id])
  })
})

it('a user removed from a conversation during catch-up continues without it, on the same connection', async () => {
  const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
  const { id } = await group(cluster, a, [b, c])
  const { faults, fetch } = faultyFetch()
  using omar = await liveClient(cluster, c, { fetch })
  omar.client.disconnect()
  await cluster.sql.query(
    `insert into messages (conversation_id, seq, rev, id, sender_id, content, type, attachments, created_at, updated_at)
     select $1, n, n + 1, gen_random_uuid(), $2, 'missed ' || n, 'TEXT', '[]', now(), now() from generate_series(1, 150) n`,
    [id, a.id],
  )
  await cluster.sql.query('update conversations set last_seq = 150, rev = 151 where id = $1', [id])
  const states: string[] = []
  omar.client.on('state', (state) => states.push(state))
  const [asked, held] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  faults.before = () => {
    asked.resolve()
    return held.promise
  }
  omar.client.connect()
  await asked.promise
  const left = new Promise((resolve) => omar.client.on('left', resolve))
  dataOf(await cluster.api(a).delete(`/api/messages/conversations/${id}/participants/${c.id}`))
  expect(await left).toEqual({ conversationId: id })
  held.resolve()
  await omar.client.whenLive()
  expect(states).toEqual(['connecting', 'syncing', 'live'])
  expect(omar.errors).toEqual([])
})

it('a bounded number of opened conversations is held', async () => {
  const [a, b] = [user('Ahmed'), user('Fatima')]
  const rooms = [await direct(cluster, a, b), await group(cluster, a, [b]), await group(cluster, a, [b])]
  using ahmed = await liveClient(cluster, a, { keptTimelines: 1 })
  const stores = []
  for (const { id } of rooms) stores.push(await ahmed.client.open(id))
  expect(stores.map((store) => store.getSnapshot().status)).toEqual(['idle', 'ready', 'ready'])
})

it('the messages of conversations without a subscriber are released', async () => {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const [a, b] = [user('Ahmed'), user('Fatima')]
  const first = await direct(cluster, a, b)
  const others = [await group(cluster, a, [b]), await group(cluster, a, [b])]
  using ahmed = clientOf(cluster, a, { keptTimelines: 1 })
  ahmed.client.connect()
  await ahmed.client.whenLive()
  for (const { id } of [first, ...others]) await ahmed.client.send(id, 'one')
  await ahmed.client.send(first.id, 'two')
  ahmed.delivered.length = 0
  const visit = async (id: string) => {
    using watched = watch(ahmed, id)
    const { messages } = await until(watched.shown, ({ status }) => status === 'ready')
    return new WeakRef(messages[0] ?? {})
  }
  const held = await visit(first.id)
  for (const { id } of others) await visit(id)
  const isGone = () => {
    collectGarbage()
    return held.deref() === undefined
  }
  await expect.poll(isGone).toBe(true)
})
