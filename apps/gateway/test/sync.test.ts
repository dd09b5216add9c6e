import { openDatabase } from '@parley/db'
import { ConversationSync, DatabaseHistory } from '@parley/messaging'
import type { Conversation, Message, SyncAnswer, SyncedConversation, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, errorOf, group, next, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'

let cluster: Cluster
beforeAll(async () => {
  cluster = await startCluster({ gateways: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const PATH = '/api/messages/conversations'

async function sync(who: User, conversations: Record<string, number>, more = {}): Promise<SyncAnswer> {
  return dataOf(await cluster.api(who).post<SyncAnswer>('/api/messages/sync', { conversations, ...more }))
}

async function send(who: User, conversationId: string, content: string): Promise<Message> {
  return dataOf(await cluster.api(who).post<Message>(`${PATH}/${conversationId}/messages`, { content }))
}

function only(answer: SyncAnswer): SyncedConversation {
  expect(answer.conversations).toHaveLength(1)
  const [conversation] = answer.conversations
  if (conversation === undefined) throw new Error('no conversation')
  return conversation
}

describe('sync', () => {
  it('answers {} with everything, and nothing when nothing has changed', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const conversation = await direct(cluster, a, b)
    const message = await send(b, conversation.id, 'Hello')
    const found = only(await sync(a, {}))
    expect(found).toMatchObject({ id: conversation.id, joined: true, lastSeq: 1, unreadCount: 1, lastReadSeq: 0 })
    expect(found.messages).toEqual([message])
    expect(found.members.map(({ id }) => id).sort()).toEqual([a.id, b.id].sort())
    expect(await sync(a, { [conversation.id]: found.rev })).toEqual({
      conversations: [],
      left: [],
      hasMore: false,
      after: null,
      epoch: expect.stringMatching(/^[\da-f.]{12,51}$/),
    })
  })

  it('reports messages, read marks, names, and people who joined and left', async () => {
    const [a, b, c, d] = [user('Ahmed'), user('Fatima'), user('Omar'), user('Zayd')]
    const { id, rev } = await group(cluster, a, [b, c], 'Team')
    await cluster.register(d)
    const first = await send(a, id, 'one')
    const second = await send(a, id, 'two')
    const socket = await cluster.socket(b, { gateway: 1 })
    dataOf(await emit(socket, 'markAsRead', { conversationId: id, messageId: second.id }))
    await cluster.api(a).patch(`${PATH}/${id}`, { name: 'The team' })
    await cluster.api(a).post(`${PATH}/${id}/participants`, { userIds: [d.id] })
    await cluster.api(a).delete(`${PATH}/${id}/participants/${c.id}`)
    const found = only(dataOf(await emit<SyncAnswer>(socket, 'sync', { conversations: { [id]: rev } })))
    expect(found).toMatchObject({ name: 'The team', joined: false, tooLong: false, lastReadSeq: 2, gone: [c.id] })
    expect(found.messages.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5])
    expect(found.messages[0]).toEqual({ ...first, readBy: [a.id, b.id] })
    expect(Object.fromEntries(found.members.map(({ id, lastReadSeq }) => [id, lastReadSeq]))).toEqual({
      [a.id]: 5,
      [b.id]: 2,
      [d.id]: 3,
    })
    expect(found.participantCount).toBe(3)
    const shown = dataOf(await cluster.api(a).get<{ rev: number }>(`${PATH}/${id}`))
    expect(found.rev).toBe(shown.rev)
  })

  it('a message changed later is included by its rev', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id } = await direct(cluster, a, b)
    const message = await send(a, id, 'teh')
    await send(a, id, 'two')
    const { rev } = only(await sync(b, {}))
    await cluster.sql.query(
      `with c as (update conversations set rev = rev + 1 where id = $1 returning rev)
       update messages set content = 'the', updated_at = now(), rev = (select rev from c) where conversation_id = $1 and seq = 1`,
      [id],
    )
    const found = only(await sync(b, { [id]: rev }))
    expect(found.messages).toMatchObject([{ id: message.id, seq: 1, content: 'the', rev: rev + 1 }])
  })

  it('answers tooLong past a hundred messages, with only the newest', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id, rev } = await direct(cluster, a, b)
    const socket = await cluster.socket(a)
    const sends = (count: number) =>
      Promise.all(
        Array.from({ length: count }, (_, i) => emit(socket, 'sendMessage', { conversationId: id, content: `${i}` })),
      )
    await sends(100)
    expect(only(await sync(b, { [id]: rev }))).toMatchObject({ tooLong: false, unreadCount: 100 })
    await sends(1)
    const found = only(await sync(b, { [id]: rev }))
    expect(found).toMatchObject({ tooLong: true, lastSeq: 101 })
    expect(found.messages.map(({ seq }) => seq)).toEqual([101])
    // A rev that the server never had (its database was restored): everything, and not marked as new to the client.
    expect(only(await sync(b, { [id]: 1_000_000 }))).toMatchObject({ tooLong: true, joined: false })
  })

  it('answers tooLong for few messages with many bytes', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id, rev } = await direct(cluster, a, b)
    await Promise.all(Array.from({ length: 10 }, () => send(a, id, 'x'.repeat(9_000))))
    const found = only(await sync(b, { [id]: rev }))
    expect(found).toMatchObject({ tooLong: true, unreadCount: 10 })
    expect(found.messages.map(({ seq }) => seq)).toEqual([10])
  })

  it('shows nothing to people who are not in a conversation, and tells those who left', async () => {
    const [a, b, c, stranger] = [user('Ahmed'), user('Fatima'), user('Omar'), user('Stranger')]
    const { id } = await group(cluster, a, [b, c])
    await cluster.api(a).delete(`${PATH}/${id}/participants/${b.id}`)
    await send(a, id, 'without Fatima')
    const epoch = expect.any(String)
    expect(await sync(b, { [id]: 1 })).toEqual({ conversations: [], left: [id], hasMore: false, after: null, epoch })
    expect(await sync(stranger, { [id]: 0 })).toMatchObject({ conversations: [], left: [id] })
    // The first and the last of all ids are answered as any other that nothing has.
    const nowhere = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff']
    const named = Object.fromEntries(nowhere.map((none) => [none, 1]))
    expect(await sync(stranger, named)).toMatchObject({ conversations: [], left: nowhere })
    await cluster.api(a).post(`${PATH}/${id}/participants`, { userIds: [b.id] })
    expect(only(await sync(b, {}))).toMatchObject({ id, joined: true, joinedSeq: 2 })
  })

  it('goes through any number of conversations in pages', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await cluster.register(a, b)
    const text = 'x'.repeat(9_000)
    const made = await Promise.all(
      Array.from({ length: 24 }, async () => {
        const conversation = await group(cluster, a, [b])
        await send(b, conversation.id, text)
        return conversation.id
      }),
    )
    const seen: string[] = []
    let after: string | null = null
    let pages = 0
    do {
      const answer: SyncAnswer = await sync(a, {}, { after })
      seen.push(...answer.conversations.map(({ id }) => id))
      after = answer.after
      expect(answer.hasMore).toBe(after !== null)
    } while (++pages < 30 && after !== null)
    expect(pages).toBeGreaterThan(1)
    expect(seen).toEqual(made.sort())
    const half = made[11] ?? ''
    const part = await sync(a, Object.fromEntries(made.slice(0, 12).map((id) => [id, 0])), { until: half })
    expect(part.conversations.every(({ id }) => id <= half)).toBe(true)
  })

  it('omits none of more than a thousand', async () => {
    const a = user('Ahmed')
    await cluster.register(a)
    await cluster.sql.query(
      `with made as (
         insert into conversations (id, type, created_by, participant_count, rev)
         select gen_random_uuid(), 'GROUP', $1, 1, 1 from generate_series(1, 1100) returning id
       ) insert into participants (conversation_id, user_id, rev) select id, $1, 1 from made`,
      [a.id],
    )
    const seen: string[] = []
    let answer: SyncAnswer | undefined
    do {
      answer = await sync(a, {}, { after: answer?.after })
      seen.push(...answer.conversations.map(({ id }) => id))
    } while (answer.hasMore && seen.length < 2_000)
    expect(new Set(seen).size).toBe(1_100)
    expect(seen).toHaveLength(1_100)
    // An answer is largest when the client already knows nearly everything.
    await cluster.sql.query('update conversations set rev = 2 where id = any($1::uuid[])', [seen])
    const named = seen.slice(0, 1_000)
    const known = Object.fromEntries(named.map((id) => [id, 1]))
    const until = named.at(-1)
    const first = await sync(a, known, { until })
    expect(first).toMatchObject({ hasMore: true, after: first.conversations.at(-1)?.id })
    const second = await sync(a, known, { after: first.after, until })
    expect([...first.conversations, ...second.conversations].map(({ id }) => id)).toEqual(named)
  })

  it('refuses invalid requests', async () => {
    const a = user('Ahmed')
    await cluster.register(a)
    const post = (body: unknown) => cluster.api(a).post('/api/messages/sync', body)
    for (const body of [{}, { conversations: [] }, { conversations: { x: 1 } }, { conversations: {}, after: 'x' }]) {
      expect(errorOf(await post(body)).code).toBe('VALIDATION_FAILED')
    }
    const many = Object.fromEntries(Array.from({ length: 1_001 }, () => [crypto.randomUUID(), 1]))
    expect(errorOf(await post({ conversations: many })).code).toBe('VALIDATION_FAILED')
    expect(errorOf(await post({ conversations: { [crypto.randomUUID()]: -1 } })).code).toBe('VALIDATION_FAILED')
    const upper = crypto.randomUUID().toUpperCase()
    expect(dataOf(await post({ conversations: { [upper]: 1 } }))).toMatchObject({ left: [upper.toLowerCase()] })
  })

  it('starts over for those who know a conversation from a lost history, and says after which message', async () => {
    const [a, b] = [user('Ahmed'), user('Fatima')]
    const { id, rev } = await group(cluster, a, [b])
    const quiet = await group(cluster, a, [b])
    const empty = await group(cluster, a, [b])
    const unnamed = await group(cluster, a, [b])
    await send(a, quiet.id, 'quiet')
    for (let n = 1; n <= 5; n++) await send(a, id, `${n}`)
    const known = { [id]: rev + 3, [quiet.id]: quiet.rev, [empty.id]: empty.rev, [unnamed.id.replace(/^./, 'f')]: 1 }
    const { epoch: before = '' } = await sync(b, known)
    const { rows } = await cluster.sql.query<{ at: string }>(
      'select created_at::text as at from messages where conversation_id = $1 and seq = 5',
      [id],
    )
    for (let n = 6; n <= 13; n++) await send(a, id, `${n}`)
    // As after a failover that lost everything after the fifth.
    await cluster.sql.query(
      `insert into epochs (id, lossy, began_at, system_id, timeline, database_oid, messages_oid, started_at)
       select 'another', true, $1, system_id, timeline, database_oid, messages_oid, started_at
       from epochs order by no desc limit 1`,
      [rows[0]?.at],
    )
    await expect.poll(async () => (await sync(b, {})).epoch).toMatch(/^another\./)
    const answer = await sync(b, known, { epoch: before })
    const told = new Map(answer.conversations.map((each) => [each.id, each]))
    const anew = { joined: false, tooLong: true, members: expect.objectContaining({ length: 2 }) }
    expect(told.get(id)).toMatchObject({ ...anew, lastSeq: 13, lostAfterSeq: 5, messages: [{ content: '13' }] })
    expect(told.get(quiet.id)).toMatchObject({ ...anew, lostAfterSeq: 1, messages: [{ content: 'quiet' }] })
    expect(told.get(empty.id)).toMatchObject({ ...anew, lostAfterSeq: 0, messages: [] })
    expect(told.get(unnamed.id)).toMatchObject({ joined: true, tooLong: false })
    expect(told.get(unnamed.id)).not.toHaveProperty('lostAfterSeq')
    expect(answer.left).toEqual([unnamed.id.replace(/^./, 'f')])
    // Where an unknown history ended is not known.
    const unknown = await sync(b, known, { epoch: 'x'.repeat(128) })
    expect(unknown.conversations.map(({ lostAfterSeq }) => lostAfterSeq)).toEqual([null, null, null, undefined])
    const current = await sync(b, { [id]: (told.get(id)?.rev ?? 0) - 1 }, { epoch: answer.epoch })
    expect(current.conversations.map(({ lostAfterSeq }) => lostAfterSeq)).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ])
    expect(current.conversations[0]?.messages.map(({ content }) => content)).toEqual(['13'])
    const tooLong = await cluster.api(b).post('/api/messages/sync', { conversations: {}, epoch: 'x'.repeat(129) })
    expect(errorOf(tooLong).code).toBe('VALIDATION_FAILED')
  })

  it('many people who sync at once share statements', async () => {
    const people = Array.from({ length: 200 }, (_, i) => user(`Person ${i}`))
    const [owner, ...others] = people
    if (owner === undefined) throw new Error('nobody')
    const rooms: Conversation[] = []
    while (rooms.length < 20) rooms.push(await group(cluster, owner, others))
    for (const { id } of rooms) await send(owner, id, 'hello')
    await using counted = countingDatabase(cluster.databaseUrl)
    const sync = new ConversationSync(counted.db, { urlOf: () => '' }, { current: async () => new DatabaseHistory([]) })
    const conversations = Object.fromEntries(rooms.map(({ id }) => [id, 1]))
    const answers = await Promise.all(people.map(({ id }) => sync.changes(id, { conversations })))
    for (const answer of answers)
      expect(answer.conversations.map(({ messages }) => messages.length)).toEqual(rooms.map(() => 1))
    expect(counted.statements()).toBeLessThanOrEqual(people.length / 50)
  })
})

/** A database that counts its queries. */
function countingDatabase(url: string) {
  // A storm may wait for its two connections longer than the two seconds that processes do.
  const db = openDatabase({ url, max: 2, applicationName: 'parley-test', connectTimeoutMs: 20_000 })
  const query = vi.spyOn(db.pool, 'query')
  return { db, statements: () => query.mock.calls.length, [Symbol.asyncDispose]: () => db.close() }
}

describe('resync', () => {
  it('tells every socket after Redis was away, with the rooms corrected', async () => {
    await using own = await startCluster({ gateways: 1 })
    const [a, b] = [user('Ahmed'), user('Fatima')]
    await own.register(a, b)
    const socket = await own.socket(b)
    const asked = next(socket, 'resync', () => true, { timeoutMs: 40_000 })
    await own.redis.kill()
    // The api's news of this does not reach the gateway, because Redis is away.
    const { id } = await group(own, a, [b])
    await own.redis.start()
    await asked
    const answer = dataOf(await emit<SyncAnswer>(socket, 'sync', { conversations: {} }))
    expect(answer.conversations.map((conversation) => conversation.id)).toEqual([id])
    const received = next(socket, 'newMessage')
    const sent = dataOf(await own.api(a).post<Message>(`${PATH}/${id}/messages`, { content: 'after' }))
    expect(await received).toEqual(sent)
  })
})
