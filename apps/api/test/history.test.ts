import { listMessages, listReadMarks, type Queryable, seqBefore } from '@parley/db'
import type { Conversation, Message } from '@parley/protocol'
import { type Cluster, dataOf, direct, group, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const [ahmed, fatima] = [user('Ahmed Hassan'), user('Fatima Rahman')]
let cluster: Cluster
let conversation: Conversation
/** Sends ten messages, taking turns. */
let messages: Message[]
beforeAll(async () => {
  cluster = await startCluster({ gateways: 1, workers: 1 })
  conversation = await direct(cluster, ahmed, fatima)
  messages = []
  for (let n = 1; n <= 10; n++) {
    const answer = await cluster
      .api(n % 2 === 0 ? ahmed : fatima)
      .post<Message>(pathOf(conversation.id), { content: `${n}` })
    messages.push(dataOf(answer))
  }
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const pathOf = (id: string) => `/api/messages/conversations/${id}/messages`

/** Returns the seqs of a page, and its meta. */
async function page(query: string, id = conversation.id) {
  const { status, body } = await cluster.api(ahmed).get<Message[]>(`${pathOf(id)}?${query}`)
  if (!body.success) throw new Error(`${status} ${body.message}`)
  return { seqs: body.data.map(({ seq }) => seq), meta: body.meta, data: body.data }
}
const meta = (page: number, limit: number, hasMore: boolean, total = 10) => ({ page, limit, total, hasMore })

describe('ten messages', () => {
  it('page 1 is the newest, each page in ascending order', async () => {
    expect(await page('')).toMatchObject({ seqs: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], meta: meta(1, 50, false) })
    expect(await page('limit=4')).toMatchObject({ seqs: [7, 8, 9, 10], meta: meta(1, 4, true) })
    expect(await page('limit=4&page=2')).toMatchObject({ seqs: [3, 4, 5, 6], meta: meta(2, 4, true) })
    expect(await page('limit=4&page=3')).toMatchObject({ seqs: [1, 2], meta: meta(3, 4, false) })
    expect(await page('limit=4&page=4')).toMatchObject({ seqs: [], meta: meta(4, 4, false) })
    expect(await page('limit=5&page=2')).toMatchObject({ seqs: [1, 2, 3, 4, 5], meta: meta(2, 5, false) })
    expect(await page('page=1000000&limit=100')).toMatchObject({ seqs: [], meta: meta(1_000_000, 100, false) })
  })

  it('beforeSeq and afterSeq page both ways without a gap or a repeat', async () => {
    expect(await page('beforeSeq=8&limit=3')).toMatchObject({ seqs: [5, 6, 7], meta: meta(1, 3, true) })
    expect(await page('beforeSeq=8&limit=3&page=2')).toMatchObject({ seqs: [2, 3, 4], meta: meta(2, 3, true) })
    expect(await page('beforeSeq=2&limit=3')).toMatchObject({ seqs: [1], meta: meta(1, 3, false) })
    expect(await page('beforeSeq=1')).toMatchObject({ seqs: [], meta: meta(1, 50, false) })
    expect(await page('beforeSeq=9007199254740991&limit=1')).toMatchObject({ seqs: [10], meta: meta(1, 1, true) })
    expect(await page('afterSeq=7&limit=2')).toMatchObject({ seqs: [8, 9], meta: meta(1, 2, true) })
    expect(await page('afterSeq=7&limit=2&page=2')).toMatchObject({ seqs: [10], meta: meta(2, 2, false) })
    expect(await page('afterSeq=0&limit=3')).toMatchObject({ seqs: [1, 2, 3], meta: meta(1, 3, true) })
    expect(await page('afterSeq=10')).toMatchObject({ seqs: [], meta: meta(1, 50, false) })
    expect(await page('afterSeq=9007199254740991')).toMatchObject({ seqs: [], meta: meta(1, 50, false) })
  })

  it('before: to the microsecond, as in createdAt', async () => {
    for (const [index, { createdAt }] of messages.entries()) {
      expect(createdAt).toMatch(/\.\d{6}Z$/)
      const before = await page(`before=${createdAt}&limit=100`)
      expect(before).toMatchObject({ seqs: Array.from({ length: index }, (_, i) => i + 1) })
    }
    const [, , third] = messages
    expect(await page(`before=${third?.createdAt}&limit=1`)).toMatchObject({ seqs: [2], meta: meta(1, 1, true) })
    expect(await page(`before=${third?.createdAt}&limit=1&page=2`)).toMatchObject({
      seqs: [1],
      meta: meta(2, 1, false),
    })
  })

  it('before: to the microsecond with an offset as well, also with one that Postgres does not take', async () => {
    const third = messages[2]?.createdAt ?? ''
    const there = new Date(Date.parse(third) + (24 * 60 - 1) * 60_000).toISOString()
    const east = `${there.slice(0, 20)}${third.slice(20, 26)}+23:59`
    expect((await page(`before=${encodeURIComponent(east)}`)).seqs).toEqual([1, 2])
  })

  it('before: truncated to milliseconds, as a JavaScript Date is, loses no older message', async () => {
    const third = messages[2]?.createdAt ?? ''
    const cut = new Date(third).toISOString()
    const older = messages.filter(({ createdAt }) => createdAt < cut.replace('Z', '000Z')).map(({ seq }) => seq)
    expect(await page(`before=${cut}`)).toMatchObject({ seqs: older })
    expect(await page(`before=${Date.parse(third)}`)).toMatchObject({ seqs: older })
    expect((await page(`before=${encodeURIComponent(cut.replace('Z', '+00:00'))}`)).seqs).toEqual(older)
    const later = new Date(Date.parse(third) + 3_600_000).toISOString().replace('Z', '+01:00')
    expect((await page(`before=${encodeURIComponent(later)}`)).seqs).toEqual(older)
  })

  it('before: extreme dates, and dates without a time', async () => {
    const all = messages.map(({ seq }) => seq)
    expect(await page('before=2999-12-31')).toMatchObject({ seqs: all, meta: meta(1, 50, false) })
    expect(await page('before=1970-01-01T00:00:00Z')).toMatchObject({ seqs: [], meta: meta(1, 50, false) })
    expect(await page('before=0')).toMatchObject({ seqs: [] })
    expect(await page('before=9999-12-31T23:59:59.999999Z&limit=2')).toMatchObject({ seqs: [9, 10] })
  })

  it('readBy: the sender first, then everybody who has read so far', async () => {
    const { data } = await page('')
    // Each has read everything up to their own last message: Fatima nine, Ahmed all ten.
    expect(data[9]?.readBy).toEqual([ahmed.id])
    for (const message of data.slice(0, 9)) {
      const other = message.senderId === ahmed.id ? fatima.id : ahmed.id
      expect(message.readBy).toEqual([message.senderId, other])
    }
  })

  it('senders have their current name and photo', async () => {
    const renamed = { fullName: 'Fatima R.', profilePhoto: 'https://example.com/f.jpg' }
    await cluster.service().put(`/api/users/${fatima.id}`, renamed)
    expect((await page('beforeSeq=2')).data[0]?.sender).toEqual({ id: fatima.id, ...renamed })
  })
})

describe('two hundred thousand messages', () => {
  const COUNT = 200_000
  let deep: Conversation
  beforeAll(async () => {
    deep = await group(cluster, ahmed, [fatima])
    // Inserted directly, one per second; append_messages() would take a minute for them.
    await cluster.sql.query(
      `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
       select $1, n, lpad(to_hex(n), 32, '0')::uuid, n + 1, $2, n::text, 'message ' || n, 'TEXT', timestamptz '2020-01-01Z' + n * interval '1 second'
       from generate_series(1, $3::bigint) n`,
      [deep.id, ahmed.id, COUNT],
    )
    await cluster.sql.query('update conversations set last_seq = $2::bigint, rev = $2::bigint + 1 where id = $1', [
      deep.id,
      COUNT,
    ])
    await cluster.sql.query('analyze messages')
  })

  it('can be paged at both ends and in the middle', async () => {
    expect(await page('limit=2', deep.id)).toMatchObject({ seqs: [COUNT - 1, COUNT], meta: meta(1, 2, true, COUNT) })
    expect(await page('beforeSeq=3', deep.id)).toMatchObject({ seqs: [1, 2], meta: meta(1, 50, false, COUNT) })
    expect(await page('page=2000&limit=100', deep.id)).toMatchObject({ meta: meta(2_000, 100, false, COUNT) })
    expect((await page('page=2000&limit=100', deep.id)).seqs.at(-1)).toBe(100)
    const noon = new Date(Date.UTC(2020, 0, 1) + 100_000_000).toISOString()
    expect((await page(`before=${noon}&limit=2`, deep.id)).seqs).toEqual([99_998, 99_999])
  })

  /** Runs a query function’s statement under EXPLAIN, and sums up the plan. */
  async function cost(query: (db: Queryable) => Promise<unknown>) {
    let buffers = 0
    let nodes: string[] = []
    const db = {
      query: async ({ text, values }: { text: string; values: unknown[] }) => {
        const { rows } = await cluster.sql.query(`explain (analyze, buffers, format json) ${text}`, values)
        const { Plan } = rows[0]['QUERY PLAN'][0]
        buffers = Plan['Shared Hit Blocks'] + Plan['Shared Read Blocks']
        nodes = nodesOf(Plan)
        return { rows: [] }
      },
    } as unknown as Queryable
    await query(db)
    return { buffers, nodes }
  }

  interface Plan {
    'Node Type': string
    'Index Name'?: string
    'Relation Name'?: string
    Plans?: Plan[]
  }
  const nodesOf = (plan: Plan): string[] => [
    `${plan['Node Type']} ${plan['Index Name'] ?? plan['Relation Name'] ?? ''}`.trim(),
    ...(plan.Plans ?? []).flatMap(nodesOf),
  ]

  it('cost the same at the far end as at the near one: a range of the primary key', async () => {
    const near = await cost((db) => listMessages(db, deep.id, COUNT - 49, COUNT))
    const far = await cost((db) => listMessages(db, deep.id, 1, 50))
    for (const { buffers, nodes } of [near, far]) {
      expect(nodes).toContain('Index Scan messages_conversation_id_seq_pk')
      expect(nodes.filter((node) => node.startsWith('Seq Scan'))).not.toContain('Seq Scan messages')
      // Three index levels, a page or two of rows, and the sender's row; all messages together fill over 2,000 pages.
      expect(buffers).toBeLessThan(70)
    }
    const pages = await cluster.sql.query(`select pg_relation_size('messages') / 8192 as pages`)
    expect(Number(pages.rows[0].pages)).toBeGreaterThan(2_000)
  })

  it('a time is found in twenty probes, and the cost of read marks depends on members, not messages', async () => {
    const find = (second: number) => {
      const before = new Date(Date.UTC(2020, 0, 1) + second * 1_000).toISOString()
      return cost((db) => seqBefore(db, deep.id, before, COUNT))
    }
    // A connection's first call also reads the catalog.
    await find(0)
    for (const second of [1, 100_000, 199_999]) {
      // Log2 of 200,000 is 18: that many probes of four pages each.
      expect((await find(second)).buffers).toBeLessThan(100)
    }
    const marks = await cost((db) => listReadMarks(db, [{ conversationId: deep.id, fromSeq: 1 }]))
    expect(marks.buffers).toBeLessThan(30)
  })
})
