import type { Message, User } from '@parley/protocol'
import { LIMITS } from '@parley/protocol/limits'
import { type Cluster, dataOf, direct, group, redisClient, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { clientOf, liveClient, until, untilDelivered } from './setting.ts'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

describe('ParleyClient', () => {
  it('goes through its states and shows the existing conversations', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = clientOf(cluster, a)
    const states: string[] = []
    ahmed.client.on('state', (state) => states.push(state))
    ahmed.client.connect()
    await ahmed.client.whenLive()
    expect(states).toEqual(['connecting', 'syncing', 'live'])
    expect(ahmed.client.userId).toBe(a.id)
    expect(ahmed.client.conversations.getSnapshot()).toMatchObject([{ id, unreadCount: 0, participants: [b, a] }])
    ahmed.client.disconnect()
    expect(states.at(-1)).toBe('offline')
  })

  it('sends, delivers once and in order, counts unread, shows receipts', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const shown = await ahmed.client.open(id)
    const sent = await Promise.all(Array.from({ length: 20 }, (_, i) => ahmed.client.send(id, `message ${i}`)))
    expect(sent.map(({ seq }) => seq)).toEqual(sent.map((_, i) => i + 1))
    await untilDelivered(fatima, ({ length }) => length === 20)
    expect(fatima.delivered).toEqual(sent)
    expect(ahmed.delivered).toEqual(sent)
    expect(fatima.client.unread.getSnapshot()).toBe(20)
    fatima.client.markAsRead(id)
    expect(fatima.client.unread.getSnapshot()).toBe(0)
    const receipts = await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 20)
    expect(receipts.get(a.id)).toBe(20)
    const { messages, pending } = shown.getSnapshot()
    expect(pending).toEqual([])
    expect(messages.map(({ readBy }) => readBy)).toEqual(messages.map(() => [a.id, b.id]))
    expect(messages[3] && ahmed.client.readBy(messages[3])).toEqual([a.id, b.id])
  })

  it('knows its own messages in a conversation that was opened before the first connection', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using fatima = await liveClient(cluster, b)
    using ahmed = clientOf(cluster, a)
    await ahmed.client.open(id)
    ahmed.client.connect()
    await ahmed.client.whenLive()
    await ahmed.client.send(id, 'my own')
    expect(ahmed.client.unread.getSnapshot()).toBe(0)
    await fatima.client.send(id, 'an answer')
    await until(ahmed.client.unread, (unread) => unread === 1)
    ahmed.client.markAsRead(id)
    expect(ahmed.client.unread.getSnapshot()).toBe(0)
  })

  it('reports new conversations, members who join and leave, and names', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    await cluster.register(a, b, c)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    using omar = await liveClient(cluster, c)
    const { id } = await ahmed.client.createConversation({ type: 'GROUP', participantIds: [b.id], name: 'Team' })
    await until(fatima.client.conversations, (list) => list.some((one) => one.id === id))
    await ahmed.client.send(id, 'one')
    await ahmed.client.addParticipants(id, [c.id])
    await until(omar.client.conversations, (list) => list.some((one) => one.id === id && one.lastSeq === 2))
    await until(
      fatima.client.conversations,
      () => fatima.client.conversation(id)?.participants.some((person) => person.fullName === 'Omar') === true,
    )
    await omar.client.rename(id, 'The team')
    await until(fatima.client.conversations, () => fatima.client.conversation(id)?.name === 'The team')
    const left = new Promise((resolve) => omar.client.on('left', resolve))
    await ahmed.client.removeParticipant(id, c.id)
    expect(await left).toEqual({ conversationId: id })
    await ahmed.client.send(id, 'without Omar')
    await untilDelivered(fatima, (list) => list.length === 5)
    expect(fatima.delivered.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    // A removed user does not receive the message about the removal.
    expect(omar.delivered.map(({ seq }) => seq)).toEqual([2, 3])
    expect(omar.client.conversations.getSnapshot()).toEqual([])
  })

  it('shows typing and presence', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const fatima = await liveClient(cluster, b)
    await until(ahmed.client.presence, (online) => online.has(b.id))
    expect(ahmed.client.conversation(id)?.participants[0]?.isOnline).toBe(true)
    fatima.client.startTyping(id)
    await until(ahmed.client.typing(id), (people) => people.length === 1)
    expect(ahmed.client.typing(id).getSnapshot()).toEqual([{ userId: b.id, userName: 'Fatima' }])
    await fatima.client.send(id, 'done')
    await until(ahmed.client.typing(id), (people) => people.length === 0)
    fatima.client.startTyping(id)
    await until(ahmed.client.typing(id), (people) => people.length === 1)
    ahmed.client.disconnect()
    expect(ahmed.client.typing(id).getSnapshot()).toEqual([])
    ahmed.client.connect()
    await ahmed.client.whenLive()
    fatima.client.close()
    await until(ahmed.client.presence, (online) => !online.has(b.id))
    expect(ahmed.client.conversation(id)?.participants[0]).toMatchObject({ isOnline: false })
  })

  it('never counts as visible when it connects in the background', async () => {
    const a = user('Ahmed')
    await cluster.register(a)
    const loaded = Promise.withResolvers<[]>()
    const storage = { load: () => loaded.promise, put: async () => undefined, remove: async () => undefined }
    using ahmed = clientOf(cluster, a, { storage })
    const redis = await redisClient(cluster.redisUrl)
    onTestFinished(() => redis.disconnect())
    ahmed.client.setVisibility(false)
    ahmed.client.connect()
    const connections = () => redis.hvals(`presence:user:${a.id}`)
    await expect.poll(connections).toHaveLength(1)
    await expect.poll(() => ahmed.client.state.getSnapshot()).toBe('syncing')
    expect(await connections()).toEqual([expect.stringMatching(/^0:/)])
    ahmed.client.setVisibility(true)
    await expect.poll(connections).toEqual([expect.stringMatching(/^1:/)])
    loaded.resolve([])
    await ahmed.client.whenLive()
    expect(await connections()).toEqual([expect.stringMatching(/^1:/)])
  })

  it('shows new members who were online before they joined', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    await cluster.register(a, b, c)
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    using omar = await liveClient(cluster, c)
    const { id } = await ahmed.client.createConversation({ type: 'GROUP', participantIds: [b.id] })
    await until(fatima.client.presence, (online) => online.has(a.id))
    await ahmed.client.addParticipants(id, [c.id])
    const isOnline = () => fatima.client.conversation(id)?.participants.find((person) => person.id === c.id)?.isOnline
    await until(fatima.client.conversations, () => isOnline() === true)
    await until(omar.client.presence, (online) => online.size === 2)
  })

  it('shows the new owner of a group whose owner has left, even if nobody writes', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    const { id } = await group(cluster, a, [b, c])
    using omar = await liveClient(cluster, c)
    await cluster.api(a).delete(`/api/messages/conversations/${id}/participants/${a.id}`)
    const heirs = () => omar.client.conversation(id)?.participants.filter(({ role }) => role === 'OWNER') ?? []
    await until(omar.client.conversations, () => heirs().length === 1 && heirs()[0]?.id !== a.id)
    expect(omar.client.conversation(id)?.participantCount).toBe(2)
  })

  it('shows the presence of users only while they share a conversation with its own', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    const { id } = await group(cluster, a, [b])
    await cluster.register(c)
    using fatima = await liveClient(cluster, b)
    using omar = await liveClient(cluster, c)
    await cluster.api(a).post(`/api/messages/conversations/${id}/participants`, { userIds: [c.id] })
    await until(fatima.client.presence, (online) => online.has(c.id))
    await until(omar.client.presence, (online) => online.has(b.id))
    await cluster.api(a).delete(`/api/messages/conversations/${id}/participants/${c.id}`)
    await until(fatima.client.presence, (online) => !online.has(c.id))
    await until(omar.client.presence, (online) => !online.has(b.id))
  })

  // These two wait for several seconds each, so they run concurrently.
  it.concurrent('does not keep showing a user as online after an event that came too late', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    const { id } = await group(cluster, a, [b])
    await cluster.register(c)
    using fatima = await liveClient(cluster, b)
    // Some seconds after it has connected the client asks once more who is online.
    await new Promise<void>((resolve) => fatima.client.presence.subscribe(resolve))
    // Omar is in the conversation just long enough to come online, and Fatima hears of neither change.
    await cluster.sql.query('insert into participants (conversation_id, user_id, rev) values ($1, $2, 1)', [id, c.id])
    const told = until(fatima.client.presence, (online) => online.has(c.id))
    await cluster.socket(c)
    await told
    await cluster.sql.query('delete from participants where conversation_id = $1 and user_id = $2', [id, c.id])
    await until(fatima.client.presence, (online) => !online.has(c.id))
  })

  it.concurrent('no longer shows users as online when the only shared group has outgrown the limit for presence', async () => {
    const [a, b, late] = [user('Ahmed'), user('Fatima'), user('Late')]
    const crowd = Array.from({ length: LIMITS.presenceGroupSize - 2 }, (_, i) => user(`Person ${i}`))
    const { id } = await group(cluster, a, [b, ...crowd])
    await cluster.register(late)
    using _fatima = await liveClient(cluster, b)
    using ahmed = await liveClient(cluster, a)
    // Some seconds after it has connected the client asks once more who is online.
    await new Promise<void>((resolve) => ahmed.client.presence.subscribe(resolve))
    expect(ahmed.client.presence.getSnapshot().has(b.id)).toBe(true)
    await cluster.api(a).post(`/api/messages/conversations/${id}/participants`, { userIds: [late.id] })
    await until(ahmed.client.presence, (online) => !online.has(b.id))
  })

  it('has the same readers of each message as the server when members join and leave', async () => {
    const [a, b, c] = [user('Ahmed'), user('Fatima'), user('Omar')]
    const { id } = await group(cluster, a, [b])
    await cluster.register(c)
    const path = `/api/messages/conversations/${id}`
    using ahmed = await liveClient(cluster, a)
    using fatima = await liveClient(cluster, b)
    const shown = await ahmed.client.open(id)
    const isShown = (who: User) =>
      until(ahmed.client.conversations, () => ahmed.client.receipts(id).getSnapshot().has(who.id))
    const asStored = async () => {
      const page = dataOf(await cluster.api(a).get<Message[]>(`${path}/messages`))
      const sorted = (messages: readonly Message[]) => messages.map(({ readBy }) => readBy.toSorted())
      await until(shown, ({ messages }) => messages.length === page.length)
      expect(sorted(shown.getSnapshot().messages)).toEqual(sorted(page))
    }
    await ahmed.client.send(id, 'before Omar')
    await untilDelivered(fatima, ({ length }) => length === 1)
    fatima.client.markAsRead(id)
    await until(ahmed.client.receipts(id), (marks) => marks.get(b.id) === 1)
    await cluster.api(b).post(`${path}/participants`, { userIds: [c.id] })
    await cluster.api(c).post(`${path}/messages`, { content: 'Hello' })
    await isShown(c)
    await asStored()
    await cluster.api(b).delete(`${path}/participants/${b.id}`)
    await until(ahmed.client.conversations, () => ahmed.client.conversation(id)?.participantCount === 2)
    await asStored()
  })

  it('stays connected when its user is removed from a conversation during catch-up', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await group(cluster, a, [b])
    const path = `/api/messages/conversations/${id}`
    // Fatima is removed just before her client fetches what it has missed.
    let removed = false
    const fetching: typeof fetch = async (input, init) => {
      if (String(input).includes('afterSeq') && !removed) {
        removed = true
        expect((await cluster.api(a).delete(`${path}/participants/${b.id}`)).status).toBe(200)
      }
      return fetch(input, init)
    }
    using fatima = await liveClient(cluster, b, { fetch: fetching })
    fatima.client.disconnect()
    using ahmed = await liveClient(cluster, a)
    await Promise.all(Array.from({ length: LIMITS.syncMessages + 1 }, (_, i) => ahmed.client.send(id, `message ${i}`)))
    const states: string[] = []
    fatima.client.on('state', (state) => states.push(state))
    const left = new Promise((resolve) => fatima.client.on('left', resolve))
    fatima.client.connect()
    await left
    await fatima.client.whenLive()
    expect(states).toEqual(['connecting', 'syncing', 'live'])
    expect(fatima.errors).toEqual([])
    expect(removed).toBe(true)
  })

  it('pages through history in a bounded window', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await group(cluster, a, [b])
    using ahmed = await liveClient(cluster, a)
    await Promise.all(Array.from({ length: 220 }, (_, i) => ahmed.client.send(id, `message ${i + 1}`)))
    using fatima = await liveClient(cluster, b, { windowSize: 120 })
    const shown = await fatima.client.open(id)
    const seqs = () => shown.getSnapshot().messages.map(({ seq }) => seq)
    expect(seqs()).toEqual(range(171, 220))
    await fatima.client.loadOlder(id)
    await fatima.client.loadOlder(id)
    expect(seqs()).toEqual(range(71, 190))
    expect(shown.getSnapshot()).toMatchObject({ hasOlder: true, hasNewer: true })
    await ahmed.client.send(id, 'new')
    await untilDelivered(fatima, ({ length }) => length === 1)
    expect(seqs().at(-1)).toBe(190)
    await fatima.client.loadNewer(id)
    expect(seqs()).toEqual(range(102, 221))
    expect(shown.getSnapshot()).toMatchObject({ hasOlder: true, hasNewer: false })
    await fatima.client.loadOlder(id)
    await fatima.client.loadOlder(id)
    await fatima.client.loadOlder(id)
    expect(seqs()).toEqual(range(1, 120))
    expect(shown.getSnapshot().hasOlder).toBe(false)
    await fatima.client.open(id)
    expect(seqs()).toEqual(range(172, 221))
  })

  it('does not retry what a retry cannot fix, and says why', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    using ahmed = await liveClient(cluster, a)
    const pending = () => ahmed.client.messages(id).getSnapshot().pending
    const failed = ahmed.client.send(id, ' ')
    const after = ahmed.client.send(id, 'fine')
    await expect(failed).rejects.toMatchObject({ name: 'ParleyClientError', code: 'VALIDATION_FAILED' })
    expect((await after).seq).toBe(1)
    expect(pending()).toMatchObject([{ content: ' ', status: 'failed', error: { code: 'VALIDATION_FAILED' } }])
    const [first] = pending()
    ahmed.client.discard(first?.clientMessageId ?? '')
    expect(pending()).toEqual([])
    await expect(ahmed.client.send(crypto.randomUUID(), 'hello')).rejects.toMatchObject({
      code: 'CONVERSATION_NOT_FOUND',
    })
    await expect(ahmed.client.rename(id, 'x')).rejects.toMatchObject({ code: 'NOT_A_GROUP', status: 400 })
  })
})

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i)
}
