import { type Cluster, dataOf, direct, group, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import { clientOf, liveClient, until, untilDelivered } from './setting.ts'

/* What an application that embeds the client relies on, from construction to close. */

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 0 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

/** A port on which nothing listens. */
const NOBODY = 'http://127.0.0.1:9'

/** A `fetch` that holds back requests for a path until `release` is called. */
function holding(path: string) {
  const [asked, released] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const held: typeof fetch = async (input, init) => {
    if (new URL(String(input)).pathname.endsWith(path)) {
      asked.resolve()
      await released.promise
    }
    return fetch(input, init)
  }
  return { fetch: held, asked: asked.promise, release: released.resolve }
}

describe('an application', () => {
  it('gets the same store each time it asks for one, as a view does on every render', () => {
    using ahmed = clientOf(cluster, user('Ahmed'))
    const { client } = ahmed
    const stores = () => [client.messages('c'), client.receipts('c'), client.typing('c')]
    const before = stores()
    const snapshots = before.map((store) => store.getSnapshot())
    for (const [index, store] of stores().entries()) {
      expect(store).toBe(before[index])
      expect(store.getSnapshot()).toBe(snapshots[index])
    }
  })

  it('knows its user and refuses the token of another, even on a platform without atob and TextDecoder', async () => {
    for (const missing of ['atob', 'TextDecoder']) vi.stubGlobal(missing, undefined)
    onTestFinished(() => void vi.unstubAllGlobals())
    const [a, b] = [user('Ahmed'), user('Žluťoučký 阿 👋')]
    await cluster.register(a, b)
    let given = 0
    using ahmed = await liveClient(cluster, a, { getToken: () => cluster.token(given++ === 0 ? a : b) })
    expect(ahmed.client.userId).toBe(a.id)
    await cluster.service().post(`/api/users/${a.id}/revoke-tokens`)
    await expect.poll(() => ahmed.errors.some((error) => error.message.includes('another user'))).toBe(true)
    expect(ahmed.client.userId).toBe(a.id)
    expect(ahmed.client.state.getSnapshot()).not.toBe('live')
  })

  it('connects at once when the browser reports that the network is back, unless it was closed', async () => {
    const browser = new EventTarget()
    vi.stubGlobal('addEventListener', browser.addEventListener.bind(browser))
    const removed = vi.fn(browser.removeEventListener.bind(browser))
    vi.stubGlobal('removeEventListener', removed)
    const random = vi.spyOn(Math, 'random').mockReturnValue(1)
    onTestFinished(() => {
      random.mockRestore()
      vi.unstubAllGlobals()
    })
    using ahmed = clientOf(cluster, user('Ahmed'), { url: NOBODY })
    const state = () => ahmed.client.state.getSnapshot()
    ahmed.client.connect()
    await until(ahmed.client.state, (now) => now === 'offline')
    browser.dispatchEvent(new Event('online'))
    expect(state()).toBe('connecting')
    ahmed.client.close()
    expect(removed).toHaveBeenCalledExactlyOnceWith('online', expect.any(Function))
  })

  it('may drop a client that was never connected or is disconnected: no listener on the page keeps it alive', async () => {
    const added = vi.fn()
    vi.stubGlobal('addEventListener', added)
    const removed = vi.fn()
    vi.stubGlobal('removeEventListener', removed)
    onTestFinished(() => void vi.unstubAllGlobals())
    using ahmed = clientOf(cluster, user('Ahmed'), { url: NOBODY })
    expect(added).not.toHaveBeenCalled()
    ahmed.client.connect()
    expect(added).toHaveBeenCalledExactlyOnceWith('online', expect.any(Function))
    ahmed.client.disconnect()
    expect(removed.mock.calls).toEqual(added.mock.calls)
  })

  it('creates a group once even if it passes undefined for clientConversationId', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await cluster.register(a, b)
    let lost = 0
    const lossy: typeof fetch = async (input, init) => {
      const answer = await fetch(input, init)
      if (init?.method === 'POST' && lost++ === 0) throw new TypeError('The answer was lost.')
      return answer
    }
    using ahmed = await liveClient(cluster, a, { fetch: lossy })
    const saved: { id?: string } = {}
    const clientConversationId = saved.id as string
    await ahmed.client.createConversation({ type: 'GROUP', participantIds: [b.id], name: 'Once', clientConversationId })
    expect(dataOf(await cluster.api(a).get<unknown[]>('/api/messages/conversations'))).toHaveLength(1)
  })

  it('gets an error for content that is not a string, which is not retried and blocks no later message', async () => {
    const a = user('Ahmed')
    const { id } = await direct(cluster, a, user('Fatima'))
    using ahmed = await liveClient(cluster, a)
    const nothing = JSON.parse('{}').content
    await expect(ahmed.client.send(id, nothing)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' })
    expect((await ahmed.client.send(id, 'after it')).seq).toBe(1)
  })

  it('hears nothing more after closing the client, and everything pending rejects with CLOSED', async () => {
    const a = user('Ahmed')
    const { id } = await direct(cluster, a, user('Fatima'))
    const page = holding('/messages')
    const ahmed = await liveClient(cluster, a, { fetch: page.fetch })
    const { client, errors } = ahmed
    client.messages(id).subscribe(() => undefined)
    await page.asked
    client.disconnect()
    const waiting = [client.whenLive(), client.searchUsers('nobody'), client.send(id, 'never')]
    client.close()
    for (const one of [...waiting, client.whenLive()]) await expect(one).rejects.toMatchObject({ code: 'CLOSED' })
    expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    page.release()
    await new Promise(setImmediate)
    expect(errors).toEqual([])
  })
})

describe('user actions', () => {
  it('do not move a read mark back when older messages are marked as read', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const sent = await Promise.all(['one', 'two', 'three'].map((content) => ahmed.client.send(id, content)))
    await untilDelivered(fatima, ({ length }) => length === 3)
    for (const message of sent.toReversed()) fatima.client.markAsRead(id, message)
    await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 3)
    expect(fatima.client.unread.getSnapshot()).toBe(0)
  })

  it('send no read mark for a conversation that the user has left', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await group(cluster, a, [b])
    const other = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    await ahmed.client.send(id, 'one')
    await untilDelivered(fatima, ({ length }) => length === 1)
    fatima.client.disconnect()
    fatima.client.markAsRead(id)
    await ahmed.client.removeParticipant(id, b.id)
    fatima.client.connect()
    await fatima.client.whenLive()
    // A later mark in another conversation, whose effect can be observed.
    const later = await ahmed.client.send(other.id, 'two')
    await untilDelivered(fatima, (delivered) => delivered.some((message) => message.id === later.id))
    fatima.client.markAsRead(other.id)
    await until(ahmed.client.receipts(other.id), (marks) => marks.get(b.id) === 1)
    expect(fatima.errors).toEqual([])
  })

  it('show the user as typing again right after a sent message', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const typing = fatima.client.typing(id)
    ahmed.client.startTyping(id)
    await until(typing, ({ length }) => length === 1)
    await ahmed.client.send(id, 'one')
    await until(typing, ({ length }) => length === 0)
    ahmed.client.startTyping(id)
    await until(typing, ({ length }) => length === 1)
  })

  it('send a message with the given type', async () => {
    const a = user('Ahmed')
    const { id } = await direct(cluster, a, user('Fatima'))
    using ahmed = await liveClient(cluster, a)
    const sent = ahmed.client.send(id, 'a picture without a picture', { type: 'IMAGE' })
    await expect(sent).rejects.toMatchObject({ code: 'VALIDATION_FAILED' })
  })

  it('deliver a sent message by its ack if the event was lost', async () => {
    const a = user('Ahmed')
    const { id } = await direct(cluster, a, user('Fatima'))
    using ahmed = await liveClient(cluster, a)
    const clientMessageId = crypto.randomUUID()
    // As if an earlier attempt had been stored without being published.
    await cluster.sql.query(
      `insert into messages
         (conversation_id, seq, rev, id, sender_id, client_message_id, content, type, attachments, created_at, updated_at)
       values ($1, 1, 2, gen_random_uuid(), $2, $3, 'one', 'TEXT', '[]', now(), now())`,
      [id, a.id, clientMessageId],
    )
    await cluster.sql.query('update conversations set last_seq = 1, rev = 2 where id = $1', [id])
    const sent = await ahmed.client.send(id, 'one', { clientMessageId })
    expect(ahmed.delivered).toEqual([sent])
    expect(ahmed.client.messages(id).getSnapshot().pending).toEqual([])
  })
})
