import type { Conversation, Message, SyncAnswer, User } from '@parley/protocol'
import { type Cluster, dataOf, direct, emit, errorOf, group, next, startCluster, user } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

const CONVERSATIONS = '/api/messages/conversations'
/** Timestamps have six decimals, so they compare as text. */
const SIX_DIGITS = /\.\d{6}Z$/

let cluster: Cluster
beforeAll(async () => {
  // Two of each, one for each side of a race.
  cluster = await startCluster({ gateways: 2, apis: 2 })
})
afterAll(() => cluster?.[Symbol.asyncDispose]())

const create = (who: User, body: object) => cluster.api(who).post<Conversation>(CONVERSATIONS, body)
const read = async (who: User, id: string) => dataOf(await cluster.api(who).get<Conversation>(`${CONVERSATIONS}/${id}`))
const send = async (who: User, id: string, content: string) =>
  dataOf(await cluster.api(who).post<Message>(`${CONVERSATIONS}/${id}/messages`, { content }))
const list = async (who: User, query = '') => {
  const { body } = await cluster.api(who).get<Conversation[]>(`${CONVERSATIONS}${query}`)
  if (!body.success) throw new Error(body.message)
  return { ids: body.data.map(({ id }) => id), data: body.data, meta: body.meta }
}
async function people(...names: string[]): Promise<User[]> {
  const all = names.map((name) => user(name))
  await cluster.register(...all)
  return all
}
async function pair(): Promise<[User, User]> {
  const two: [User, User] = [user('Ahmed Hassan'), user('Fatima Rahman')]
  await cluster.register(...two)
  return two
}

describe('creating', () => {
  it('DIRECT: the same conversation whoever creates it again; 201 when new, then 200', async () => {
    const [ahmed, fatima] = await pair()
    const created = await create(ahmed, { participantIds: [fatima.id], name: 'Not for two' })
    expect(created).toMatchObject({ status: 201, body: { message: 'Conversation created' } })
    const again = await create(fatima, { type: 'DIRECT', participantIds: [ahmed.id, fatima.id, ahmed.id] })
    expect(again).toMatchObject({ status: 200, body: { message: 'Conversation already exists' } })
    expect(dataOf(again).id).toBe(dataOf(created).id)
    expect(dataOf(again)).toMatchObject({ type: 'DIRECT', name: null, participantCount: 2, createdBy: ahmed.id })
    // The others first, the person themself last.
    expect(dataOf(again).participants.map(({ id, role }) => [id, role])).toEqual([
      [ahmed.id, 'MEMBER'],
      [fatima.id, 'MEMBER'],
    ])
  })

  it('DIRECT: both people at once, twenty times: one 201, one 200, the same id', async () => {
    for (let round = 0; round < 20; round++) {
      const [ahmed, fatima] = await pair()
      const answers = await Promise.all([
        create(ahmed, { type: 'DIRECT', participantIds: [fatima.id] }),
        create(fatima, { type: 'DIRECT', participantIds: [ahmed.id] }),
      ])
      expect(answers.map(({ status }) => status).sort()).toEqual([200, 201])
      expect(dataOf(answers[0]).id).toBe(dataOf(answers[1]).id)
    }
  })

  it('DIRECT: similar ids are different people', async () => {
    const id = crypto.randomUUID()
    const who = (suffix: string): User => ({ id: id + suffix, fullName: suffix, profilePhoto: null })
    const [a, ab, b, comma] = [who('a'), who('a","b'), who('b'), who('a,b')]
    await cluster.register(a, ab, b, comma)
    const made = await Promise.all([
      create(a, { participantIds: [b.id] }),
      create(ab, { participantIds: [b.id] }),
      create(a, { participantIds: [comma.id] }),
    ])
    expect(made.map(({ status }) => status)).toEqual([201, 201, 201])
  })

  it('GROUP: the creator is always a member; each request creates a new group', async () => {
    const [owner, member] = await pair()
    const first = dataOf(await create(owner, { type: 'GROUP', participantIds: [member.id] }))
    const second = dataOf(
      await create(owner, { type: 'GROUP', participantIds: [member.id, owner.id], name: ' Named ' }),
    )
    expect(first.id).not.toBe(second.id)
    expect([first.name, second.name]).toEqual([null, ' Named '])
    for (const conversation of [first, second]) {
      expect(conversation.participants.map(({ id, role }) => [id, role])).toEqual([
        [member.id, 'MEMBER'],
        [owner.id, 'OWNER'],
      ])
    }
  })

  it('GROUP: created once per clientConversationId of its creator, even with simultaneous requests', async () => {
    const [owner, member] = await pair()
    const body = { type: 'GROUP', participantIds: [member.id], name: 'Once', clientConversationId: 'mine' }
    const answers = await Promise.all(Array.from({ length: 5 }, () => create(owner, body)))
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 200, 200, 200, 201])
    const [{ id }] = answers.map(dataOf) as [Conversation]
    expect(new Set(answers.map((answer) => dataOf(answer).id))).toEqual(new Set([id]))
    expect(dataOf(await create(owner, { ...body, name: 'Again' }))).toMatchObject({ id, name: 'Once' })
    const others = [
      await create(owner, { ...body, clientConversationId: 'another' }),
      await create(member, { ...body, participantIds: [owner.id] }),
      await create(owner, { ...body, type: 'DIRECT' }),
    ]
    expect(others.map(({ status }) => status)).toEqual([201, 201, 201])
    await cluster.api(owner).delete(`${CONVERSATIONS}/${id}/participants/${owner.id}`)
    expect(await create(owner, body)).toMatchObject({
      status: 404,
      body: { error: { code: 'CONVERSATION_NOT_FOUND' } },
    })
  })

  it('lists unknown people, and creates nothing', async () => {
    const [owner, member] = await pair()
    const answer = await create(owner, { type: 'GROUP', participantIds: [member.id, 'nobody-1', 'nobody-2'] })
    expect(answer.status).toBe(400)
    expect(errorOf(answer)).toMatchObject({ code: 'UNKNOWN_USERS', details: { userIds: ['nobody-1', 'nobody-2'] } })
    expect((await list(owner)).ids).toEqual([])
  })

  it('a group holds a thousand people and not one more', async () => {
    const owner = user('Owner')
    const crowd = Array.from({ length: 1_000 }, (_, i) => user(`Person ${i}`))
    await cluster.register(owner, ...crowd)
    const ids = crowd.map(({ id }) => id)
    // A hundred are listed: they were added at the same time, so in the order of their ids.
    const last = crowd.slice(0, 998).reduce((a, b) => (a.id > b.id ? a : b))
    const put = next(await cluster.socket(last), 'conversationCreated', undefined, { timeoutMs: 30_000 })
    const tooMany = await create(owner, { type: 'GROUP', participantIds: ids })
    expect(tooMany.status).toBe(409)
    expect(errorOf(tooMany).code).toBe('GROUP_FULL')
    const full = dataOf(await create(owner, { type: 'GROUP', participantIds: ids.slice(0, 998) }))
    const add = (userId?: string) =>
      cluster.api(owner).post<Conversation>(`${CONVERSATIONS}/${full.id}/participants`, { userIds: [userId] })
    expect(dataOf(await add(ids[998]))).toMatchObject({ participantCount: 1_000 })
    expect(errorOf(await add(ids[999])).code).toBe('GROUP_FULL')
    expect((await read(owner, full.id)).participants).toHaveLength(1_000)
    const listed = (await list(owner)).data[0]?.participants
    expect(listed).toHaveLength(100)
    expect(listed?.at(-1)?.id).toBe(owner.id)
    const everything = await cluster.api(owner).post<SyncAnswer>('/api/messages/sync', { conversations: {} })
    expect(dataOf(everything).conversations[0]?.members).toHaveLength(100)
    const { participants } = await put
    expect(participants).toHaveLength(100)
    expect(participants.at(-1)).toMatchObject({ ...last, role: 'MEMBER', isOnline: false })
  })
})

describe('listing', () => {
  it('newest activity first, in pages', async () => {
    const [ahmed = user(), ...friends] = await people('Ahmed', 'B', 'C', 'D', 'E', 'F')
    const ids: string[] = []
    for (const friend of friends) ids.unshift((await direct(cluster, ahmed, friend)).id)
    expect((await list(ahmed)).ids).toEqual(ids)
    await send(ahmed, ids[3] ?? '', 'Up')
    const [a, b, c, d, e] = ids
    expect((await list(ahmed)).ids).toEqual([d, a, b, c, e])
    const pages = await Promise.all([1, 2, 3, 4].map((page) => list(ahmed, `?page=${page}&limit=2`)))
    expect(pages.map((page) => page.ids)).toEqual([[d, a], [b, c], [e], []])
    expect(pages.map((page) => page.meta)).toEqual(
      [1, 2, 3, 4].map((page) => ({ page, limit: 2, total: 5, totalPages: 3 })),
    )
    expect((await list(friends[0] ?? ahmed)).meta).toEqual({ page: 1, limit: 20, total: 1, totalPages: 1 })
    expect((await list(user('Nobody yet'))).meta).toEqual({ page: 1, limit: 20, total: 0, totalPages: 0 })
  })

  it('unreadCount, lastMessage and updatedAt follow what is sent and read', async () => {
    const [ahmed, fatima] = await pair()
    const { id } = await direct(cluster, ahmed, fatima)
    await send(ahmed, id, 'one')
    const two = await send(ahmed, id, 'two')
    const [hers] = (await list(fatima)).data
    expect(hers).toMatchObject({
      unreadCount: 2,
      lastMessage: two,
      updatedAt: two.createdAt,
      lastSeq: 2,
      lastReadSeq: 0,
    })
    expect((await list(ahmed)).data[0]).toMatchObject({ unreadCount: 0, lastReadSeq: 2 })
    const three = await send(fatima, id, 'three')
    // Sending a message marks earlier ones as read.
    expect((await list(fatima)).data[0]).toMatchObject({ unreadCount: 0, lastMessage: three })
    expect((await list(ahmed)).data[0]).toMatchObject({ unreadCount: 1 })
  })

  it('search finds the group’s name and other members’ names, ignoring case and accents', async () => {
    const [ahmed = user(), zoe = user(), ali = user()] = await people('Ahmed Hassan', 'Zoë Müller', 'عَلِيّ 100% _x_')
    const zoes = (await direct(cluster, ahmed, zoe)).id
    const alis = (await direct(cluster, ahmed, ali)).id
    const cafe = (await group(cluster, ahmed, [ali], 'Café ÉLAN')).id
    const find = async (text: string) => (await list(ahmed, `?search=${encodeURIComponent(text)}`)).ids.sort()
    expect(await find('zoe')).toEqual([zoes])
    expect(await find('MULLER')).toEqual([zoes])
    expect(await find('cafe elan')).toEqual([cafe])
    expect(await find('علي')).toEqual([alis, cafe].sort())
    expect(await find('100%')).toEqual([alis, cafe].sort())
    // LIKE's wildcards are literal.
    expect(await find('_x_')).toEqual([alis, cafe].sort())
    expect(await find('%')).toEqual([alis, cafe].sort())
    expect(await find('a_e')).toEqual([])
    // The person's own name is in all of them, so it is not searched.
    expect(await find('hassan')).toEqual([])
    expect(await find('   ')).toHaveLength(3)
    expect((await list(ahmed, '?search=zoe&limit=1')).meta).toMatchObject({ total: 1, totalPages: 1 })
    // By its current name and members.
    dataOf(await cluster.api(ahmed).patch(`${CONVERSATIONS}/${cafe}`, { name: 'Büro' }))
    await cluster.api(ahmed).delete(`${CONVERSATIONS}/${cafe}/participants/${ali.id}`)
    expect(await find('buro')).toEqual([cafe])
    expect(await find('cafe elan')).toEqual([])
    expect(await find('علي')).toEqual([alis])
    dataOf(await cluster.api(ahmed).patch(`${CONVERSATIONS}/${cafe}`, { name: null }))
    expect(await find('buro')).toEqual([])
  })

  it('isOnline and lastSeen of the others', async () => {
    const [ahmed, fatima] = await pair()
    const { id } = await direct(cluster, ahmed, fatima)
    const other = async () => (await read(ahmed, id)).participants[0]
    expect(await other()).toMatchObject({ id: fatima.id, isOnline: false, lastSeen: null })
    const [a, f] = await Promise.all([cluster.socket(ahmed), cluster.socket(fatima)])
    await expect.poll(other).toMatchObject({ isOnline: true, lastSeen: expect.stringMatching(SIX_DIGITS) })
    // Presence is that of the moment of the request.
    const asked = Date.now()
    const seenAt = Date.parse((await other())?.lastSeen ?? '')
    expect(seenAt).toBeGreaterThanOrEqual(asked)
    expect(seenAt).toBeLessThanOrEqual(Date.now())
    const offline = next(a, 'userOffline')
    f.disconnect()
    const { lastSeen } = await offline
    const seen = await other()
    expect(seen).toMatchObject({ isOnline: false, lastSeen: expect.any(String) })
    expect(seen?.lastSeen).toBe(lastSeen)
  })
})

describe('changing', () => {
  it('PATCH sets and removes a group’s name; the same name again changes nothing', async () => {
    const [owner, member] = await pair()
    const { id } = await group(cluster, owner, [member], 'Before')
    const patch = async (who: User, name: string | null) =>
      dataOf(await cluster.api(who).patch<Conversation>(`${CONVERSATIONS}/${id}`, { name }))
    const renamed = await patch(member, 'After')
    expect(renamed).toMatchObject({ name: 'After', lastSeq: 1, lastMessage: { type: 'SYSTEM' } })
    expect(await patch(owner, 'After')).toMatchObject({ rev: renamed.rev, lastSeq: 1 })
    expect(await patch(owner, null)).toMatchObject({
      name: null,
      lastMessage: { system: { event: 'renamed', name: null }, content: 'Ahmed Hassan removed the name' },
    })
  })

  it('people: any member can add, the owner can remove, anyone can leave; each with a SYSTEM message', async () => {
    const [owner = user(), member = user(), third = user(), fourth = user()] = await people(
      'Owner',
      'Member',
      'Third',
      'Fourth',
    )
    const { id } = await group(cluster, owner, [member])
    const path = `${CONVERSATIONS}/${id}/participants`
    const added = await cluster.api(member).post<Conversation>(path, { userIds: [third.id, fourth.id, third.id] })
    expect(added.status).toBe(200)
    expect(dataOf(added)).toMatchObject({ participantCount: 4 })
    const removing = await cluster.api(member).delete(`${path}/${third.id}`)
    expect([removing.status, errorOf(removing).code]).toEqual([403, 'FORBIDDEN'])
    expect((await cluster.api(owner).delete(`${path}/${third.id}`)).body).toMatchObject({ success: true, data: null })
    expect((await cluster.api(fourth).delete(`${path}/${fourth.id}`)).status).toBe(200)
    const page = dataOf(await cluster.api(owner).get<Message[]>(`${CONVERSATIONS}/${id}/messages`))
    expect(page.map(({ senderId, content, system, type }) => [senderId, content, system?.event, type])).toEqual([
      [member.id, 'Member added Third and Fourth', 'participantsAdded', 'SYSTEM'],
      [owner.id, 'Owner removed Third', 'participantRemoved', 'SYSTEM'],
      [fourth.id, 'Fourth left', 'participantLeft', 'SYSTEM'],
    ])
    expect((await read(owner, id)).participants.map((person) => person.id)).toEqual([member.id, owner.id])
  })

  it('people: adding the same person ten times at once adds them once', async () => {
    const [owner, late] = await pair()
    const { id } = await group(cluster, owner, [user('Member')])
    const path = `${CONVERSATIONS}/${id}/participants`
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => cluster.api(owner).post(path, { userIds: [late.id] })),
    )
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
    expect(await read(owner, id)).toMatchObject({ participantCount: 3, lastSeq: 1 })
  })

  it('when the last member leaves, nothing can be found any more', async () => {
    const [owner, member] = await pair()
    const { id } = await group(cluster, owner, [member])
    for (const who of [owner, member]) {
      expect((await cluster.api(who).delete(`${CONVERSATIONS}/${id}/participants/${who.id}`)).status).toBe(200)
    }
    expect((await cluster.api(owner).get(`${CONVERSATIONS}/${id}`)).status).toBe(404)
    expect((await list(member)).ids).toEqual([])
  })
})

describe('reading', () => {
  it('POST read moves the mark forward only; unread says what is left, newest first', async () => {
    const [ahmed, fatima] = await pair()
    const one = (await direct(cluster, ahmed, fatima)).id
    const two = (await group(cluster, ahmed, [fatima])).id
    const messages: Message[] = []
    for (let i = 0; i < 3; i++) messages.push(await send(ahmed, one, String(i)))
    await send(ahmed, two, 'newest')
    const unread = async () => dataOf(await cluster.api(fatima).get('/api/messages/unread'))
    expect(await unread()).toEqual({
      total: 4,
      conversations: [
        { conversationId: two, unreadCount: 1 },
        { conversationId: one, unreadCount: 3 },
      ],
    })
    const mark = (index: number) =>
      cluster.api(fatima).post(`${CONVERSATIONS}/${one}/read`, { messageId: messages[index]?.id })
    expect(await mark(1)).toMatchObject({ status: 200, body: { data: { seq: 2, userId: fatima.id } } })
    expect(await unread()).toMatchObject({ total: 2 })
    expect((await mark(0)).status).toBe(200)
    expect(await unread()).toMatchObject({ total: 2 })
    await mark(2)
    expect(await unread()).toEqual({ total: 1, conversations: [{ conversationId: two, unreadCount: 1 }] })
  })

  it('a read mark set over HTTP is announced to sockets', async () => {
    const [ahmed, fatima] = await pair()
    const { id } = await direct(cluster, ahmed, fatima)
    const socket = await cluster.socket(ahmed)
    const sent = await emit<Message>(socket, 'sendMessage', { conversationId: id, content: 'Read me' })
    const told = next(socket, 'messageRead')
    await cluster.api(fatima).post(`${CONVERSATIONS}/${id}/read`, { messageId: dataOf(sent).id })
    expect(await told).toMatchObject({ conversationId: id, messageId: dataOf(sent).id, userId: fatima.id })
  })
})
