import type { Message } from '@parley/protocol'
import { type Cluster, direct, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { clientOf, liveClient, until, untilDelivered } from './setting.ts'

/* Pages of history that are requested while other things happen. */

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** A conversation of `count` messages, and a `fetch` that records the requested pages and can hold back responses. */
async function conversation(count: number) {
  const [a, b] = [user('Ahmed'), user('Fatima')]
  const { id } = await direct(cluster, a, b)
  await cluster.sql.query(
    `insert into messages (conversation_id, seq, rev, id, sender_id, content, type, attachments, created_at, updated_at)
     select $1, n, n + 1, gen_random_uuid(), $2, 'message ' || n, 'TEXT', '[]', now(), now() from generate_series(1, $3::int) n`,
    [id, a.id, count],
  )
  await cluster.sql.query('update conversations set last_seq = $2::int, rev = $2::int + 1 where id = $1', [id, count])
  const asked: string[] = []
  const holds: { answered: () => void; until: Promise<void> }[] = []
  const held: typeof fetch = async (input, init) => {
    const { pathname, searchParams } = new URL(String(input))
    if (!pathname.endsWith('/messages')) return fetch(input, init)
    const [bound = 'newest', seq = ''] = [...searchParams].find(([name]) => name.endsWith('Seq')) ?? []
    asked.push(`${bound} ${seq}`.trim())
    const answer = await fetch(input, init)
    const hold = holds.shift()
    hold?.answered()
    await hold?.until
    return answer
  }
  /** Holds back the next page after the server has answered, until `release` is called. */
  const holdNext = () => {
    const [answered, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    holds.push({ answered: answered.resolve, until: released.promise })
    return { answered: answered.promise, release: released.resolve }
  }
  return { a, b, id, asked, fetch: held, holdNext }
}

const seqs = ({ messages }: { messages: readonly Message[] }) => messages.map(({ seq }) => seq)
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i)

describe('a page of history', () => {
  it('is loaded for a subscriber from before the first connection', async () => {
    const { b, id, fetch } = await conversation(3)
    using fatima = clientOf(cluster, b, { fetch })
    const shown = fatima.client.messages(id)
    shown.subscribe(() => undefined)
    fatima.client.connect()
    expect(seqs(await until(shown, ({ status }) => status === 'ready'))).toEqual([1, 2, 3])
  })

  it('includes what is delivered while it is loading', async () => {
    const { a, b, id, fetch, holdNext } = await conversation(60)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b, { fetch })
    const first = holdNext()
    const opened = fatima.client.open(id)
    await first.answered
    await ahmed.client.send(id, 'one more')
    await untilDelivered(fatima, ({ length }) => length === 1)
    first.release()
    const shown = await opened
    expect(seqs(shown.getSnapshot())).toEqual(range(11, 61))
  })

  it('leaves hasNewer set if messages past its end were delivered while it was loading', async () => {
    const { a, b, id, fetch, holdNext } = await conversation(70)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b, { fetch })
    const shown = await fatima.client.openAt(id, 1)
    const { answered, release } = holdNext()
    const loaded = fatima.client.loadNewer(id)
    await answered
    await ahmed.client.send(id, 'one more')
    await untilDelivered(fatima, ({ length }) => length === 1)
    release()
    await loaded
    expect(seqs(shown.getSnapshot())).toEqual(range(1, 70))
    expect(shown.getSnapshot().hasNewer).toBe(true)
    await fatima.client.loadNewer(id)
    expect(seqs(shown.getSnapshot())).toEqual(range(1, 71))
  })

  it('is requested once for concurrent calls, and not at all if it is loaded or does not exist', async () => {
    const { b, id, asked, fetch } = await conversation(60)
    using fatima = await liveClient(cluster, b, { fetch })
    const { client } = fatima
    await Promise.all([client.loadOlder(id), client.loadOlder(id)])
    const shown = client.messages(id)
    expect(seqs(shown.getSnapshot())).toEqual(range(1, 60))
    await client.open(id)
    await Promise.all([client.loadOlder(id), client.loadNewer(id)])
    expect(seqs(shown.getSnapshot())).toEqual(range(1, 60))
    expect(asked).toEqual(['newest', 'beforeSeq 11'])
  })

  it('around a message is shown even if a subscriber starts loading the newest page at the same time', async () => {
    const { b, id, fetch, holdNext } = await conversation(120)
    using fatima = await liveClient(cluster, b, { fetch })
    const shown = fatima.client.messages(id)
    const newest = holdNext()
    shown.subscribe(() => undefined)
    await newest.answered
    const opened = fatima.client.openAt(id, 30)
    // After these requests, one that did not wait for the newest page would have been answered.
    for (let times = 0; times < 3; times++) await fatima.client.searchUsers('nobody')
    newest.release()
    await opened
    await fatima.client.searchUsers('nobody')
    expect(seqs(shown.getSnapshot())).toEqual(range(5, 54))
  })

  it('that arrives when another place is shown changes nothing', async () => {
    const { a, b, id, fetch, holdNext } = await conversation(120)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b, { fetch })
    const { client } = fatima
    const shown = await client.openAt(id, 30)
    const older = holdNext()
    const loaded = [client.loadOlder(id)]
    await older.answered
    await client.open(id)
    older.release()
    await loaded[0]
    expect(seqs(shown.getSnapshot())).toEqual(range(71, 120))
    expect(shown.getSnapshot()).toMatchObject({ hasOlder: true, hasNewer: false })
    await client.openAt(id, 1)
    const newer = holdNext()
    loaded.push(client.loadNewer(id))
    await newer.answered
    await client.openAt(id, 100)
    newer.release()
    await loaded[1]
    expect(seqs(shown.getSnapshot())).toEqual(range(71, 120))
    await ahmed.client.send(id, 'one more')
    await until(shown, ({ messages }) => messages.at(-1)?.seq === 121)
  })

  it('around a message is not shown if another place was requested before it arrived', async () => {
    const { b, id, fetch, holdNext } = await conversation(180)
    using fatima = await liveClient(cluster, b, { fetch })
    const { client } = fatima
    const shown = await client.open(id)
    const first = holdNext()
    const opened = [client.openAt(id, 30)]
    await first.answered
    await client.open(id)
    first.release()
    await opened[0]
    expect(seqs(shown.getSnapshot())).toEqual(range(131, 180))
    const second = holdNext()
    opened.push(client.openAt(id, 30))
    await second.answered
    await client.openAt(id, 90)
    second.release()
    await opened[1]
    expect(seqs(shown.getSnapshot())).toEqual(range(65, 114))
    await client.openAt(id, 30)
    expect(seqs(shown.getSnapshot())).toEqual(range(5, 54))
  })

  it('of one message refreshes that message', async () => {
    const { b, id } = await conversation(3)
    using fatima = await liveClient(cluster, b)
    const shown = await fatima.client.open(id)
    await cluster.sql.query(`update messages set content = 'now ' || seq where conversation_id = $1`, [id])
    await fatima.client.refreshMessage({ conversationId: id, seq: 2 })
    expect(shown.getSnapshot().messages.map(({ content }) => content)).toEqual(['message 1', 'now 2', 'message 3'])
  })
})
