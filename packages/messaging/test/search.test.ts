import { primaryReads, type Reads, ReplicaReads } from '@parley/db'
import { LIMITS, parse, searchMessagesQuery } from '@parley/protocol'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { MessageSearch } from '../src/index.ts'
import { createSearchBed, type SearchBed } from './search-bed.ts'

let bed: SearchBed
beforeAll(async () => {
  bed = await createSearchBed()
})
afterAll(() => bed?.[Symbol.asyncDispose]())

/** A new user with a conversation that has these messages, newest last. */
async function having(...contents: string[]): Promise<{ me: string; conversation: string }> {
  const me = `person-${Math.random()}`
  const conversation = await bed.conversation(me)
  await bed.send(
    conversation,
    contents.map((content) => ({ content })),
  )
  return { me, conversation }
}

describe('terms', () => {
  const cases: { name: string; text: string; finds: string[]; not: string[] }[] = [
    {
      name: 'English in any case',
      text: 'Good Morning everyone',
      finds: ['good', 'MORNING', 'gOOD evERYone'],
      not: ['evening'],
    },
    {
      name: 'prefixes of the last word only',
      text: 'shipping tomorrow',
      finds: ['ship', 'shipping tom'],
      not: ['ship tomorrow', 'morrow'],
    },
    { name: 'words in any order', text: 'the red fox ran home', finds: ['home fox', 'fox red the'], not: ['fox cat'] },
    {
      name: 'quoted phrases',
      text: 'the red fox ran home',
      finds: ['"red fox"', '“ran home”', 'home "red fox"', '"red fo'],
      not: ['"fox red"', '"red ran"', '"red fo"'],
    },
    { name: 'accents', text: 'un café et un cafe', finds: ['cafe', 'café', 'CAFE\u0301'], not: ['caf\u00e9s'] },
    {
      name: 'Arabic marks, alef forms and tatweel',
      text: 'قال أَحْمَدُ مرحـــبا',
      finds: ['احمد', 'أحمد', 'إحمد', 'مرحبا', 'مَرْحَبًا'],
      not: ['حمدي'],
    },
    {
      name: 'Arabic words with and without their article',
      text: 'قرأت الكتاب في بيت',
      finds: ['كتاب', 'الكتاب', 'بيت'],
      not: ['تاب', 'البيت'],
    },
    { name: 'Bengali vowel signs', text: 'কাল দেখা হবে', finds: ['কাল', 'দেখা'], not: ['কল', 'কিল', 'দখ'] },
    { name: 'Hindi vowel signs', text: 'दिल की बात', finds: ['दिल', 'बात'], not: ['दल', 'दाल', 'बत'] },
    {
      name: 'Chinese without spaces',
      text: '我们明天下午在北京大学开会',
      finds: ['北京', '大学', '北京大学', '开会 明天', '"明天下午"'],
      not: ['京北', '天们', '"北京学"', '"明天开会"', '上海'],
    },
    {
      name: 'Japanese without spaces',
      text: '昨日新しいパソコンを買いました',
      finds: ['パソコン', 'ﾊﾟｿｺﾝ', '新しい', '昨日'],
      not: ['ハソコン', '今日'],
    },
    { name: 'Korean with its particles', text: '내일 학교에서 만나요', finds: ['학교', '내일 만나'], not: ['학생'] },
    { name: 'Thai', text: 'พรุ่งนี้ประชุมตอนบ่าย', finds: ['ประชุม', 'พรุ่งนี้', 'ตอนบ่าย'], not: ['ประตู'] },
    { name: 'emoji', text: 'well done 👍🏽❤️', finds: ['👍', '👍🏽', '❤', '❤️', 'done 👍'], not: ['👍🏿', '🎉'] },
    {
      name: 'an e-mail address',
      text: 'ask Fatima.Rahman@Example.com first',
      finds: ['fatima.rahman@example.com', 'example.com', 'rahman', 'fatima.rahman@ex'],
      not: ['fatima@example.com', 'example.org'],
    },
    {
      name: 'a URL',
      text: 'see https://docs.example.com/a/b?c=d#e now',
      finds: ['https://docs.example.com/a/b?c=d#e', 'docs.example.com', 'example'],
      not: ['https://docs.example.org'],
    },
    { name: 'numbers of any script', text: 'room ٤٠٢ at 1,000', finds: ['402', '1000', '১,০০০'], not: ['40 2'] },
    {
      name: 'quotes and backslashes that mean something to Postgres',
      text: String.raw`O'Brien C:\temp 100%`,
      finds: ["o'brien", 'obrien', String.raw`C:\temp`, "temp' & '", '100%'],
      not: ["x' | '100"],
    },
  ]
  it.each(cases)('finds $name', async ({ text, finds, not }) => {
    const { me } = await having('something else entirely', text)
    for (const query of finds) expect((await bed.search(me, query)).contents, query).toEqual([text])
    for (const query of not) expect((await bed.search(me, query)).contents, query).toEqual([])
  })

  it.each(['...', '"', '""', ' ?! ', '@', '،', '\u0301', '\u0001'])(
    'has nothing to search for in %j',
    async (query) => {
      await expect(bed.search('anybody', query)).rejects.toMatchObject({ code: 'VALIDATION_FAILED' })
    },
  )

  it('accepts joined words that, truncated, equal the first of them', async () => {
    const long = 'a'.repeat(64)
    const { me } = await having(`${long}-b`)
    expect((await bed.search(me, long)).contents).toEqual([`${long}-b`])
    expect((await bed.search(me, 'b')).contents).toEqual([`${long}-b`])
  })

  it('accepts the longest query and the longest message', async () => {
    const { me } = await having('漢'.repeat(10_000), 'a'.repeat(10_000), 'ab '.repeat(3_333), 'ก'.repeat(10_000))
    for (const query of [
      '漢'.repeat(200),
      'a'.repeat(200),
      'ab '.repeat(66),
      'ก'.repeat(200),
      'a b '.repeat(50),
      'x.'.repeat(100),
    ]) {
      await expect(bed.search(me, query), query).resolves.toBeDefined()
    }
    expect((await bed.search(me, '漢漢漢')).meta.total).toBe(1)
  })
})

describe('a match', () => {
  it('comes from the user’s own conversations only', async () => {
    const [ahmed, fatima] = ['ahmed-1', 'fatima-1']
    const both = await bed.conversation(ahmed, fatima)
    const own = await bed.conversation(fatima)
    await bed.send(both, [{ content: 'shared secret' }])
    await bed.send(own, [{ content: 'own secret' }])
    expect((await bed.search(ahmed, 'secret')).contents).toEqual(['shared secret'])
    expect((await bed.search(fatima, 'secret')).contents).toEqual(['own secret', 'shared secret'])
    expect((await bed.search('stranger-1', 'secret')).contents).toEqual([])
    expect((await bed.search(fatima, 'secret', { conversationId: both })).contents).toEqual(['shared secret'])
    await expect(bed.search(ahmed, 'secret', { conversationId: own })).rejects.toMatchObject({
      code: 'CONVERSATION_NOT_FOUND',
    })
    await bed.db.pool.query('update participants set left_at = now() where user_id = $1', [ahmed])
    expect((await bed.search(ahmed, 'secret')).contents).toEqual([])
  })

  it('says who has read it, also for several matches in one conversation', async () => {
    const [ahmed, fatima] = ['ahmed-2', 'fatima-2']
    const conversation = await bed.conversation(ahmed, fatima)
    await bed.send(conversation, [{ content: 'first lantern' }, { content: 'second lantern' }])
    await bed.db.pool.query('update participants set last_read_seq = 1 where user_id = $1', [fatima])
    const { data } = await bed.search(ahmed, 'lantern')
    expect(data.map(({ seq, readBy }) => [seq, readBy.toSorted()])).toEqual([
      [2, [ahmed]],
      [1, [ahmed, fatima]],
    ])
  })

  it('has its conversation and the matched ranges', async () => {
    const { me, conversation } = await having('no', 'Der Café-Besuch: cafe, CAFÉS')
    const { data } = await bed.search(me, 'cafe')
    const [hit] = data
    expect(hit).toMatchObject({
      conversationId: conversation,
      seq: 2,
      senderId: me,
      sender: { id: me },
      readBy: [me],
      attachments: [],
    })
    expect(hit?.conversation).toEqual({
      id: conversation,
      type: 'GROUP',
      name: null,
      participants: [expect.objectContaining({ id: me, isOnline: false, role: 'MEMBER' })],
    })
    expect(hit?.highlights).toEqual([
      { attachmentId: null, start: 4, end: 8, text: 'Café' },
      { attachmentId: null, start: 17, end: 21, text: 'cafe' },
      { attachmentId: null, start: 23, end: 28, text: 'CAFÉS' },
    ])
  })

  it.each([
    ['"red fox"', 'a red fox, a fox, red', ['red fox']],
    ['大学', '我在北京大学学习,大学很大', ['大学', '大学']],
    ['ข้าวผัด', 'กินข้าวผัดกัน', ['ข้าวผัด']],
    ['👍', 'ok 👍🏽!', ['👍🏽']],
    ['e-mail', 'An email or e-mail', ['email', 'e-mail']],
  ])('%s in %s', async (query, text, parts) => {
    const { me } = await having(text)
    const { data } = await bed.search(me, query)
    expect(data[0]?.highlights.map((part) => part.text)).toEqual(parts)
  })

  it('may be in a file name', async () => {
    const me = 'files-1'
    const conversation = await bed.conversation(me)
    const [stored] = await bed.send(conversation, [
      { content: 'here you are', fileNames: ['a.png', 'Quarterly_Report-final.pdf'] },
    ])
    for (const query of ['quarterly', 'report-final.pdf', 'report here']) {
      expect((await bed.search(me, query)).contents, query).toEqual(['here you are'])
    }
    for (const query of ['"are quarterly"', '"are a"', '"png quarterly"']) {
      expect((await bed.search(me, query)).contents, query).toEqual([])
    }
    const { data } = await bed.search(me, 'report')
    const id = data[0]?.attachments[1]?.id
    expect(data[0]?.highlights).toEqual([{ attachmentId: id, start: 10, end: 16, text: 'Report' }])
    expect(stored?.attachments[1]).toMatchObject({ id })
  })

  it('is shown even if a replica that failed the search does not have it yet', async () => {
    const { me } = await having('found by the primary')
    await using behind = await createSearchBed()
    const conflict = Object.assign(new Error('canceling statement due to conflict with recovery'), { code: '40001' })
    vi.spyOn(behind.db.pool, 'query').mockImplementationOnce(() => Promise.reject(conflict))
    const reads = new ReplicaReads({ primary: bed.db, replica: behind.db })
    const search = new MessageSearch(bed.db, { online: async () => new Set() }, { urlOf: () => '' }, reads)
    const { data, meta } = await search.search(me, parse(searchMessagesQuery, { query: 'found' }))
    expect([data.map(({ content }) => content), meta.total]).toEqual([['found by the primary'], 1])
    expect(reads.counts).toEqual({ replica: 0, behind: 1, away: 1 })
  })

  it('is from before the search if the user leaves during it', async () => {
    const { me, conversation } = await having('told before')
    let left = false
    const reads: Reads = {
      async query(read) {
        if (!left) {
          left = true
          await bed.db.pool.query('update participants set left_at = now() where conversation_id = $1', [conversation])
          await bed.send(conversation, [{ content: 'told after that' }])
        }
        return primaryReads(bed.db).query(read)
      },
    }
    const search = new MessageSearch(bed.db, { online: async () => new Set() }, { urlOf: () => '' }, reads)
    const { data, meta } = await search.search(me, parse(searchMessagesQuery, { query: 'told' }))
    expect([data.map(({ content }) => content), meta.total]).toEqual([['told before'], 1])
  })

  it('shows presence except in large groups, and is shown even if presence is unavailable', async () => {
    const { me, conversation } = await having('hello there')
    const isOnline = async (online: () => Promise<Set<string>>) => {
      const search = new MessageSearch(bed.db, { online }, { urlOf: () => '' })
      const { data } = await search.search(me, parse(searchMessagesQuery, { query: 'hello' }))
      return data.map((hit) => hit.conversation.participants.map((person) => person.isOnline))
    }
    const everybody = async () => new Set([me])
    expect(await isOnline(everybody)).toEqual([[true]])
    expect(await isOnline(() => Promise.reject(new Error('Redis is down')))).toEqual([[false]])
    await bed.db.pool.query('update conversations set participant_count = $2 where id = $1', [
      conversation,
      LIMITS.presenceGroupSize + 1,
    ])
    expect(await isOnline(everybody)).toEqual([[false]])
  })

  it('is never a deleted message', async () => {
    const { me, conversation } = await having('gone soon', 'gone later')
    await bed.db.pool.query('update messages set deleted_at = now() where conversation_id = $1 and seq = 1', [
      conversation,
    ])
    expect(await bed.search(me, 'gone')).toMatchObject({ contents: ['gone later'], meta: { total: 1 } })
    const { rows } = await bed.db.pool.query(
      `select from_seq + n - 1 as seq from message_search, unnest(vectors) with ordinality as v (terms, n)
       where conversation_id = $1 and v.terms is not null`,
      [conversation],
    )
    expect(rows).toEqual([{ seq: 2 }])
  })
})

describe('filters and order', () => {
  it('filter by sender and date', async () => {
    const [a, b] = ["o'neil\\1", 'b-1']
    const conversation = await bed.conversation(a, b)
    await bed.send(conversation, [
      { content: 'tea on monday', senderId: a, sentAt: '2025-03-03T10:00:00.000000Z' },
      { content: 'tea on tuesday', senderId: b, sentAt: '2025-03-04T23:59:59.999999Z' },
      { content: 'tea on wednesday', senderId: a, sentAt: '2025-03-05T10:00:00.000001Z' },
    ])
    const contents = async (more: Record<string, string>) => (await bed.search(b, 'tea', more)).contents
    expect(await contents({ senderId: a })).toEqual(['tea on wednesday', 'tea on monday'])
    expect(await contents({ senderId: 'nobody' })).toEqual([])
    expect(await contents({ senderId: a, sort: 'best' })).toHaveLength(2)
    expect(await contents({ from: '2025-03-04' })).toEqual(['tea on wednesday', 'tea on tuesday'])
    expect(await contents({ to: '2025-03-04' })).toEqual(['tea on tuesday', 'tea on monday'])
    expect(await contents({ from: '2025-03-04', to: '2025-03-04' })).toEqual(['tea on tuesday'])
    expect(await contents({ from: '2025-03-05T10:00:00Z' })).toEqual(['tea on wednesday'])
    expect(await contents({ from: '2025-03-05T10:00:00.000001Z' })).toEqual(['tea on wednesday'])
    expect(await contents({ from: '2025-03-05T10:00:00.000002Z' })).toEqual([])
    expect(await contents({ to: '2025-03-03T10:00:00.000000Z' })).toEqual(['tea on monday'])
    await expect(contents({ from: '2025-03-05', to: '2025-03-04' })).rejects.toMatchObject({
      code: 'VALIDATION_FAILED',
    })
    await expect(contents({ sort: 'worst' })).rejects.toMatchObject({ code: 'VALIDATION_FAILED' })
  })

  it('sort newest first across conversations, or best first', async () => {
    const me = 'sorted-1'
    const [one, two] = [await bed.conversation(me), await bed.conversation(me)]
    await bed.send(one, [{ content: 'green apple' }])
    await bed.send(two, [{ content: 'an apple that is, as I said at length, not really green' }])
    await bed.send(one, [{ content: 'apple pie and another thing that is green' }])
    expect((await bed.search(me, 'green apple')).contents.map((text) => text.slice(0, 8))).toEqual([
      'apple pi',
      'an apple',
      'green ap',
    ])
    expect((await bed.search(me, 'green apple', { sort: 'best' })).contents[0]).toBe('green apple')
  })

  it('page through up to a thousand matches', async () => {
    const { me, conversation } = await having()
    await bed.send(
      conversation,
      Array.from({ length: 2_500 }, (_, n) => ({ content: `common ${n + 1 === 1_300 ? 'rare' : n + 1}` })),
    )
    const first = await bed.search(me, 'common', { limit: '10' })
    expect(first.contents).toEqual(Array.from({ length: 10 }, (_, n) => `common ${2_500 - n}`))
    expect(first.meta).toEqual({ page: 1, limit: 10, total: 1_000, totalPages: 100, totalIsExact: false })
    const last = await bed.search(me, 'common', { limit: '100', page: '10' })
    expect(last.contents.at(-1)).toBe('common 1501')
    expect((await bed.search(me, 'common', { limit: '100', page: '11' })).contents).toEqual([])
    // Deeper matches are reachable by date, from both sides.
    const [deep] = (await bed.search(me, 'rare')).data
    const to = deep?.createdAt ?? ''
    const older = await bed.search(me, 'common', { to, limit: '2' })
    expect(older).toMatchObject({ contents: ['common rare', 'common 1299'], meta: { total: 1_000 } })
    expect((await bed.search(me, 'common', { from: to, to, limit: '2' })).contents).toEqual(['common rare'])
    expect(await bed.search(me, 'common', { from: to })).toMatchObject({ meta: { total: 1_000, totalIsExact: false } })
    expect((await bed.search(me, 'common', { to: '2020-01-01' })).contents).toEqual([])
    expect(await bed.search(me, 'rare', { page: '1' })).toMatchObject({
      contents: ['common rare'],
      meta: { total: 1, totalIsExact: true },
    })
  })

  it('report more than a thousand matches even if no single conversation has that many', async () => {
    const me = 'many-1'
    for (let n = 0; n < 3; n++) {
      const conversation = await bed.conversation(me)
      await bed.send(
        conversation,
        Array.from({ length: 400 }, () => ({ content: 'common' })),
      )
    }
    expect((await bed.search(me, 'common')).meta).toMatchObject({ total: 1_000, totalIsExact: false })
  })
})
