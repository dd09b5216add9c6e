import { searchHit } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, errorOf, group, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'

let cluster: Cluster
const [ahmed, fatima, stranger] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Stranger')]
let ours = ''
let theirs = ''
const PATH = '/api/messages/search'

beforeAll(async () => {
  cluster = await startCluster({ gateways: 1 })
  ours = (await direct(cluster, ahmed, fatima)).id
  theirs = (await group(cluster, fatima, [stranger], 'Without Ahmed')).id
  await post(ours, 'Hello! How are you?')
  await post(ours, 'The café opens at nine')
  await post(theirs, 'Hello from elsewhere')
  await vi.waitFor(async () => expect(await contents(fatima.id, 'query=hello')).toHaveLength(2), 30_000)
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

async function post(conversationId: string, content: string): Promise<void> {
  dataOf(await cluster.api(fatima).post(`/api/messages/conversations/${conversationId}/messages`, { content }))
}

async function contents(userId: string, query: string): Promise<string[]> {
  const hits = dataOf(await cluster.api(userId).get<{ content: string }[]>(`${PATH}?${query}`))
  return hits.map(({ content }) => content)
}

describe('MessagesService', () => {
  it('should search messages', async () => {
    const { status, body } = await cluster.api(ahmed).get(`${PATH}?query=HELLO`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      success: true,
      data: [
        {
          conversationId: ours,
          sender: { fullName: 'Fatima Rahman' },
          content: 'Hello! How are you?',
          conversation: { id: ours, type: 'DIRECT', name: null, participants: [{ id: fatima.id }, { id: ahmed.id }] },
          highlights: [{ attachmentId: null, start: 0, end: 5, text: 'Hello' }],
        },
      ],
      meta: { page: 1, limit: 20, total: 1, totalPages: 1, totalIsExact: true },
    })
    if (!body.success) throw new Error('not found')
    const [hit] = z.array(z.strictObject(searchHit.shape)).parse(body.data)
    // The message is the same as in the history.
    const history = dataOf(await cluster.api(ahmed).get<unknown[]>(`/api/messages/conversations/${ours}/messages`))
    const { conversation: _, highlights: __, ...message } = hit ?? { conversation: null, highlights: null }
    expect(history).toContainEqual(message)
  })

  it('searches the person’s conversations, or one of them', async () => {
    expect(await contents(ahmed.id, `query=hello&conversationId=${ours}`)).toEqual(['Hello! How are you?'])
    expect(await contents(fatima.id, `query=hello&conversationId=${theirs}`)).toEqual(['Hello from elsewhere'])
    expect(await contents(stranger.id, 'query=hello')).toEqual(['Hello from elsewhere'])
    const answer = await cluster.api(ahmed).get(`${PATH}?query=hello&conversationId=${theirs}`)
    expect([answer.status, errorOf(answer).code]).toEqual([404, 'CONVERSATION_NOT_FOUND'])
    expect((await cluster.api(null).get(`${PATH}?query=hello`)).status).toBe(401)
  })

  it('pages', async () => {
    const { body } = await cluster.api(fatima).get(`${PATH}?query=hello&limit=1&page=2`)
    expect(body).toMatchObject({
      data: [{ content: 'Hello! How are you?' }],
      meta: { page: 2, limit: 1, total: 2, totalPages: 2 },
    })
  })

  it.each([
    ['', 'query'],
    ['query=', 'query'],
    ['query=%20', 'query'],
    ['query=...!', 'query'],
    [`query=${'x'.repeat(201)}`, 'query'],
    ['query=a%00b', 'query'],
    ['query=a&page=0', 'page'],
    ['query=a&limit=101', 'limit'],
    ['query=a&conversationId=1', 'conversationId'],
    ['query=a&from=yesterday', 'from'],
    ['query=a&to=soon', 'to'],
    ['query=a&from=2025-02-02&to=2025-01-01', 'from'],
    ['query=a&sort=oldest', 'sort'],
    ['query=a&query=b', 'query'],
  ])('refuses ?%s', async (query, path) => {
    const answer = await cluster.api(ahmed).get(`${PATH}?${query}`)
    expect([answer.status, errorOf(answer).code]).toEqual([400, 'VALIDATION_FAILED'])
    expect(errorOf(answer).details).toEqual([{ path, message: expect.any(String) }])
  })

  it.each([
    "'",
    "' or 1=1 --",
    "a'); drop table messages; --",
    'a & b | !c:*',
    '<->',
    '\\',
    '\u0001x',
    '%',
    '{"$gt":""}',
  ])('treats %j as text', async (query) => {
    const { status } = await cluster.api(ahmed).get(`${PATH}?query=${encodeURIComponent(query)}`)
    expect([200, 400]).toContain(status)
  })

  it('finds a message within a second after it was sent', async () => {
    const socket = await cluster.socket(fatima)
    const took: number[] = []
    for (const word of ['erste', 'zweite', 'dritte']) {
      dataOf(await emit(socket, 'sendMessage', { conversationId: ours, content: `${word} Nachricht`, type: 'TEXT' }))
      const acked = performance.now()
      await expect.poll(() => contents(ahmed.id, `query=${word}`)).toHaveLength(1)
      took.push(performance.now() - acked)
    }
    console.log(`found ${took.map((ms) => Math.round(ms)).join(', ')} ms after the ack`)
    expect(took.sort((a, b) => a - b)[1]).toBeLessThan(1_000)
  })

  it('no longer finds messages that the person may no longer see, or that were deleted', async () => {
    const conversation = await group(cluster, fatima, [ahmed], 'For a while')
    await post(conversation.id, 'ephemeral one')
    await post(conversation.id, 'ephemeral two')
    await expect.poll(() => contents(ahmed.id, 'query=ephemeral')).toHaveLength(2)
    await cluster.sql.query(`update messages set deleted_at = now() where content = 'ephemeral one'`)
    expect(await contents(ahmed.id, 'query=ephemeral')).toEqual(['ephemeral two'])
    dataOf(await cluster.api(fatima).delete(`/api/messages/conversations/${conversation.id}/participants/${ahmed.id}`))
    expect(await contents(ahmed.id, 'query=ephemeral')).toEqual([])
    expect(await contents(fatima.id, 'query=ephemeral')).toEqual(['ephemeral two'])
    // SYSTEM messages are not searched.
    expect(await contents(fatima.id, 'query=removed')).toEqual([])
  })
})
