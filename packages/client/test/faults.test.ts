import { createServer, request } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import { appendMessages, type NewMessage } from '@parley/db'
import type { Conversation, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, group, listenOnLoopback, startCluster, tcpProxy, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { Connection } from '../src/connection.ts'
import { memoryStorage } from '../src/index.ts'
import { TokenSource } from '../src/token.ts'
import { clientOf, liveClient, until, untilDelivered } from './setting.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** Stores messages without publishing them, as if their frames had been lost. */
async function storeUnheard(conversationId: string, sender: User, contents: string[]): Promise<void> {
  const batch = contents.map((content): NewMessage => {
    const id = crypto.randomUUID()
    const message = { id, conversationId, senderId: sender.id, clientMessageId: id, content }
    return { ...message, type: 'TEXT', attachments: [], system: null }
  })
  const connection = await cluster.sql.connect()
  try {
    await connection.query('begin')
    await appendMessages(connection, batch, 'nobody', 1)
    // Otherwise the worker would publish them.
    await connection.query(`delete from outbox where origin = 'nobody'`)
    await connection.query('commit')
  } finally {
    connection.release()
  }
}

describe('ParleyClient under faults', () => {
  it('fills a gap when a message was lost', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b)
    using ahmed = await liveClient(cluster, a)
    await ahmed.client.send(id, 'one')
    await storeUnheard(id, a, ['two', 'three'])
    await ahmed.client.send(id, 'four')
    await untilDelivered(fatima, ({ length }) => length === 4)
    expect(fatima.delivered.map(({ content }) => content)).toEqual(['one', 'two', 'three', 'four'])
    await untilDelivered(ahmed, ({ length }) => length === 4)
    expect(ahmed.delivered).toEqual(fatima.delivered)
  })

  it('finds out about a read mark that was lost', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const shown = await ahmed.client.open(id)
    const first = await ahmed.client.send(id, 'one')
    await cluster.sql.query('select mark_read(array[$1::uuid], array[$2], array[$3::uuid])', [id, b.id, first.id])
    expect(ahmed.client.receipts(id).getSnapshot().get(b.id)).toBe(0)
    await ahmed.client.send(id, 'two')
    await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 1)
    expect(shown.getSnapshot().messages.map(({ readBy }) => readBy.length)).toEqual([2, 1])
  })

  it('creates one group even if the response is lost', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await cluster.register(b)
    let asked = 0
    const losing: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init)
      if (init?.method === 'POST' && ++asked === 1) throw new TypeError('fetch failed')
      return answer
    }
    using ahmed = await liveClient(cluster, a, { fetch: losing })
    const { id } = await ahmed.client.createConversation({ type: 'GROUP', participantIds: [b.id] })
    expect(asked).toBe(2)
    const all = dataOf(await cluster.api(a).get<Conversation[]>('/api/messages/conversations'))
    expect(all.map((conversation) => conversation.id)).toEqual([id])
  })

  it.each([150, 30])('delivers %i messages that were missed while offline, in order', async (count) => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b)
    const shown = await fatima.client.open(id)
    fatima.client.disconnect()
    const contents = Array.from({ length: count }, (_, i) => `message ${i}`)
    await storeUnheard(id, a, contents)
    fatima.client.connect()
    await fatima.client.whenLive()
    expect(fatima.delivered.map(({ content }) => content)).toEqual(contents)
    expect(shown.getSnapshot().messages.map(({ content }) => content)).toEqual(contents)
    expect(fatima.client.unread.getSnapshot()).toBe(count)
  })

  it('reports which messages it skipped after a very long absence', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b, { catchUpLimit: 200 })
    fatima.client.disconnect()
    const skipped: unknown[] = []
    fatima.client.on('skipped', (range) => skipped.push(range))
    const contents = Array.from({ length: 350 }, (_, i) => `message ${i + 1}`)
    await storeUnheard(id, a, contents)
    fatima.client.connect()
    await fatima.client.whenLive()
    expect(skipped).toEqual([{ conversationId: id, fromSeq: 1, toSeq: 250 }])
    expect(fatima.delivered.map(({ seq }) => seq)).toEqual(contents.slice(250).map((_, i) => 251 + i))
  })

  it('sends what was written offline once it is back, in order', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b)
    using ahmed = clientOf(cluster, a)
    const pending = ahmed.client.messages(id)
    const sent = Promise.all([1, 2, 3].map((n) => ahmed.client.send(id, `message ${n}`)))
    expect(pending.getSnapshot().pending.map(({ status }) => status)).toEqual(['queued', 'queued', 'queued'])
    ahmed.client.connect()
    expect((await sent).map(({ seq }) => seq)).toEqual([1, 2, 3])
    await untilDelivered(fatima, ({ length }) => length === 3)
    expect(fatima.delivered.map(({ content }) => content)).toEqual(['message 1', 'message 2', 'message 3'])
    expect(ahmed.client.pendingCount).toBe(0)
  })

  it('sends read marks that were made offline', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    await ahmed.client.send(id, 'one')
    await untilDelivered(fatima, ({ length }) => length === 1)
    fatima.client.disconnect()
    fatima.client.markAsRead(id)
    // Wait past the time within which marks are coalesced; without a connection nothing is sent then.
    await delay(150)
    fatima.client.connect()
    await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 1)
  })

  it('leaves a gateway that does not respond', async () => {
    const a = user('Ahmed')
    const { hostname: host, port } = new URL(cluster.gateways[0]?.url ?? '')
    await using proxy = await tcpProxy({ host, port: Number(port) })
    const ignore = () => undefined
    const told = { onState: ignore, onEvent: ignore, onConnect: async () => undefined, onError: ignore }
    const tokens = new TokenSource(() => cluster.token(a))
    const connection = new Connection({ url: `http://127.0.0.1:${proxy.port}`, tokens, hello: () => ({}), ...told })
    using _ended = { [Symbol.dispose]: () => connection.stop() }
    connection.start()
    await expect.poll(() => connection.state).toBe('live')
    proxy.stall()
    await expect(connection.call('getOnlineUsers', {}, 100)).rejects.toMatchObject({ code: 'TIMEOUT' })
    expect(connection.state).toBe('offline')
    proxy.restore()
    await expect.poll(() => connection.state).toBe('live')
  })

  it('does not become live when the catch-up of an earlier connection ends', async () => {
    const a = user('Ahmed')
    const { hostname: host, port } = new URL(cluster.gateways[0]?.url ?? '')
    await using proxy = await tcpProxy({ host, port: Number(port) })
    const catchUps: PromiseWithResolvers<void>[] = []
    const onConnect = () => {
      catchUps.push(Promise.withResolvers<void>())
      return catchUps.at(-1)?.promise ?? Promise.resolve()
    }
    const ignore = () => undefined
    const told = { onState: ignore, onEvent: ignore, onConnect, onError: ignore }
    const tokens = new TokenSource(() => cluster.token(a))
    const connection = new Connection({ url: `http://127.0.0.1:${proxy.port}`, tokens, hello: () => ({}), ...told })
    using _ended = { [Symbol.dispose]: () => connection.stop() }
    connection.start()
    await expect.poll(() => catchUps.length).toBe(1)
    proxy.cut()
    await expect.poll(() => connection.state).toBe('offline')
    proxy.restore()
    await expect.poll(() => catchUps.length).toBe(2)
    catchUps[0]?.resolve()
    await new Promise(setImmediate)
    expect(connection.state).toBe('syncing')
    catchUps[1]?.resolve()
    await expect.poll(() => connection.state).toBe('live')
  })

  it('sends after a reload what the last page left unsent, once', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const storage = memoryStorage()
    const first = await liveClient(cluster, a, { storage })
    const stored = await first.client.send(id, 'one')
    first.client.disconnect()
    const left = ['two', 'three'].map((content) => first.client.send(id, content))
    first.client.close()
    for (const sent of left) await expect(sent).rejects.toMatchObject({ code: 'CLOSED' })
    // A message whose ack was lost: stored on the server, and still in the storage.
    const { clientMessageId } = stored
    await storage.put(a.id, { clientMessageId, conversationId: id, content: 'one', createdAt: 1, order: 1 })
    using second = clientOf(cluster, a, { storage })
    const fourth = second.client.send(id, 'four')
    second.client.connect()
    expect((await fourth).seq).toBe(4)
    using fatima = await liveClient(cluster, b)
    const shown = (await fatima.client.open(id)).getSnapshot()
    expect(shown.messages.map(({ content }) => content)).toEqual(['one', 'two', 'three', 'four'])
    expect(await storage.load(a.id)).toEqual([])
  })

  it('neither loses nor duplicates messages when a gateway is killed during sends', async () => {
    const people = Array.from({ length: 6 }, (_, i) => user(`Person ${i}`))
    const [owner, ...others] = people
    if (owner === undefined) throw new Error('nobody')
    const rooms = [await group(cluster, owner, others), await group(cluster, owner, others)]
    const clients = await Promise.all(people.map((who) => liveClient(cluster, who)))
    const sends = clients.flatMap(({ client }, who) =>
      Array.from({ length: 20 }, (_, n) => client.send(rooms[n % 2]?.id ?? '', `${who}:${n}`)),
    )
    await Promise.race(sends)
    await cluster.gateways[0]?.kill('SIGKILL')
    const sent = await Promise.all(sends)
    await cluster.gateways[0]?.restart()
    expect(new Set(sent.map(({ id }) => id)).size).toBe(sends.length)
    for (const one of clients) await untilDelivered(one, ({ length }) => length >= sends.length, 40_000)
    for (const room of rooms) {
      const orders = clients.map(({ delivered }) =>
        delivered
          .filter(({ conversationId }) => conversationId === room.id)
          .map(({ seq, content }) => `${seq} ${content}`),
      )
      expect(orders[0]?.map((entry) => Number.parseInt(entry, 10))).toEqual(Array.from({ length: 60 }, (_, i) => i + 1))
      for (const order of orders) expect(order).toEqual(orders[0])
      const own = (orders[0] ?? []).filter((entry) => entry.includes(' 3:')).map((entry) => Number(entry.split(':')[1]))
      expect(own).toEqual([...own].sort((x, y) => x - y))
    }
    for (const { client } of clients) client.close()
  })

  it('keeps two devices of a user in sync', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using phone = await liveClient(cluster, a, { url: cluster.gateways[0]?.url ?? '', fetch: atEdge })
    using laptop = await liveClient(cluster, a, { url: cluster.gateways[1]?.url ?? '', fetch: atEdge })
    using fatima = await liveClient(cluster, b)
    await fatima.client.send(id, 'one')
    await untilDelivered(phone, ({ length }) => length === 1)
    await untilDelivered(laptop, ({ length }) => length === 1)
    await phone.client.send(id, 'two')
    await untilDelivered(laptop, ({ length }) => length === 2)
    await until(laptop.client.unread, (unread) => unread === 0)
    await fatima.client.send(id, 'three')
    await until(laptop.client.unread, (unread) => unread === 1)
    await untilDelivered(phone, ({ length }) => length === 3)
    phone.client.markAsRead(id)
    await until(laptop.client.unread, (unread) => unread === 0)
    await until(fatima.client.receipts(id), (marks) => marks.get(a.id) === 3)
  })

  it('syncs more conversations than one call may name', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await cluster.register(a, b)
    await cluster.sql.query(
      `with made as (
         insert into conversations (id, type, name, created_by, participant_count, rev)
         select gen_random_uuid(), 'GROUP', 'Group ' || n, $1, 2, 1 from generate_series(1, 2300) n returning id)
       insert into participants (conversation_id, user_id, rev) select id, u, 1 from made, unnest(array[$1, $2]) u`,
      [a.id, b.id],
    )
    using ahmed = await liveClient(cluster, a)
    const before = ahmed.client.conversations.getSnapshot()
    expect(before).toHaveLength(2_300)
    ahmed.client.disconnect()
    const ids = before.map(({ id }) => id).sort()
    const chosen = [ids[0], ids[999], ids[1_000], ids[1_500], ids[2_299]].map(String)
    for (const id of chosen) await storeUnheard(id, b, ['hello'])
    ahmed.client.connect()
    await ahmed.client.whenLive()
    expect(ahmed.delivered.map(({ conversationId }) => conversationId).sort()).toEqual(chosen)
    expect(ahmed.client.conversations.getSnapshot()).toHaveLength(2_300)
    expect(ahmed.client.unread.getSnapshot()).toBe(5)
  })

  it('delivers what is sent during the first sync', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await cluster.register(a, b)
    const { rows } = await cluster.sql.query<{ id: string }>(
      `with made as (
         insert into conversations (id, type, name, created_by, participant_count, rev)
         select gen_random_uuid(), 'GROUP', 'Group ' || n, $1, 2, 1 from generate_series(1, 2300) n returning id),
       people as (insert into participants (conversation_id, user_id, rev) select id, u, 1 from made, unnest(array[$1, $2]) u)
       select id from made order by id desc limit 1`,
      [a.id, b.id],
    )
    using ahmed = clientOf(cluster, a)
    // The sync reaches this conversation last.
    const sent = ahmed.client.send(rows[0]?.id ?? '', 'at once')
    ahmed.client.connect()
    await ahmed.client.whenLive()
    expect(ahmed.delivered).toEqual([await sent])
  })

  it('falls back to polling where WebSockets do not get through', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    await using proxy = await withoutUpgrades(cluster.url)
    using ahmed = await liveClient(cluster, a, { url: proxy.url })
    using fatima = await liveClient(cluster, b)
    await ahmed.client.send(id, 'by polling')
    await untilDelivered(fatima, ({ length }) => length === 1)
  })
})

/** Sends HTTP requests to the edge: these clients connect to one gateway directly, which serves no API. */
const atEdge: typeof fetch = (input, init) => {
  const { pathname, search } = new URL(String(input))
  return fetch(new URL(pathname + search, cluster.url), init)
}

/** An HTTP proxy without support for WebSockets. */
async function withoutUpgrades(target: string) {
  const server = createServer((incoming, outgoing) => {
    const { connection: _, upgrade: __, ...headers } = incoming.headers
    const forward = request(new URL(incoming.url ?? '/', target), { method: incoming.method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode ?? 502, answer.headers)
      answer.pipe(outgoing)
    })
    forward.on('error', () => outgoing.destroy())
    outgoing.on('close', () => forward.destroy())
    incoming.pipe(forward)
  })
  return {
    url: `http://127.0.0.1:${await listenOnLoopback(server)}`,
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
