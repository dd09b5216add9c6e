import { conversationRoom, encodeEvent, type Publisher } from '@parley/fanout'
import { createTestRedis, next, type TestRedis } from '@parley/testkit'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { created, ENDLESS, hears, left, message, oneGateway, stored } from './one-gateway.ts'

/* The rooms of one gateway, with control over when the database answers. */

let redis: TestRedis
beforeAll(async () => {
  redis = await createTestRedis()
})
afterAll(() => redis?.[Symbol.asyncDispose]())

const setting = (options = {}) => oneGateway(redis.url, options)

it('somebody added hears of the conversation first, and then gets its messages in order, including those in between', async () => {
  await using world = await setting()
  const id = crypto.randomUUID()
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  const late = await world.open('late')
  // SYSTEM message 5 announced that they were added; 6 and 7 were delivered here before that news.
  await Promise.all([hears(there.socket, 7), world.speaker.messages([message(id, 6), message(id, 7)])])
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  world.base.stored = async () => {
    asked.resolve()
    await answer.promise
    return [stored(id, 6), stored(id, 7), stored(id, 8)]
  }
  await world.speaker.join('late', 5, created(id))
  await asked.promise
  await Promise.all([hears(there.socket, 8), world.speaker.message(message(id, 8))])
  const last = [late, there].map(({ socket }) => hears(socket, 9))
  answer.resolve()
  await world.speaker.message(message(id, 9))
  await Promise.all(last)
  expect(late.heard).toEqual(['created', 6, 7, 8, 9])
  expect(there.heard).toEqual([6, 7, 8, 9])
})

it('a removal found in the database while adding somebody else counts like one that arrives', async () => {
  await using world = await setting()
  const id = crypto.randomUUID()
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  const gone = await world.open('gone', { conversationId: id, lastSeq: 5 })
  const late = await world.open('late')
  world.base.stored = async (_id, from) => (from <= 6 ? [stored(id, 6, ['gone'])] : [])
  await Promise.all([hears(late.socket, 6), world.speaker.join('late', 5, created(id))])
  await Promise.all([hears(late.socket, 7), hears(there.socket, 7), world.speaker.message(message(id, 7))])
  // Theirs alone, and after all that was published before.
  await Promise.all([next(gone.socket, 'conversationCreated'), world.speaker.join('gone', 7, created(id))])
  expect(gone.heard).toEqual(['created'])
})

it('news of a person during a resync of their rooms overrides an earlier look-up', async () => {
  await using world = await setting()
  const [stays, out] = [crypto.randomUUID(), crypto.randomUUID()]
  const [back, gone] = [crypto.randomUUID(), crypto.randomUUID()]
  const all = [stays, out, back, gone].map((conversationId) => ({ conversationId, lastSeq: 1 }))
  const { socket, server } = await world.open('ahmed', ...all)
  await world.rooms.enter(server, 'ahmed', async () => {
    // Looked up before one removal, and between another one and their return.
    await Promise.all([next(socket, 'conversationUpdated'), world.speaker.leave('ahmed', 2, left(out))])
    await Promise.all([next(socket, 'conversationCreated'), world.speaker.join('ahmed', 3, created(back))])
    return all.slice(0, 2)
  })
  const inside = [...server.rooms].filter((room) => room.startsWith('conv:'))
  expect(inside.sort()).toEqual([`conv:${stays}`, `conv:${back}`].sort())
})

it('somebody removed without this gateway noticing gets nothing more, even if too much was missed to fetch', async () => {
  await using world = await setting()
  const [id, other] = [crypto.randomUUID(), crypto.randomUUID()]
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  const gone = await world.open('gone', { conversationId: id, lastSeq: 5 })
  world.base.outsiders.add('gone')
  await Promise.all([hears(there.socket, 200), world.speaker.message(message(id, 200))])
  // Theirs alone, and after all that was published before.
  world.base.outsiders.clear()
  await Promise.all([next(gone.socket, 'conversationCreated'), world.speaker.join('gone', 0, created(other))])
  expect(gone.heard).toEqual(['created'])
  expect([...gone.server.rooms]).not.toContain(`conv:${id}`)
})

it('somebody removed before connecting here is not put back by late news of having been added', async () => {
  await using world = await setting()
  const [id, other] = [crypto.randomUUID(), crypto.randomUUID()]
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  // Message 5 announced that they were added, 6 that they left.
  await Promise.all([hears(there.socket, 7), world.speaker.messages([message(id, 6), message(id, 7)])])
  const gone = await world.open('gone')
  world.base.stored = async (conversationId) => (conversationId === id ? [stored(id, 6, ['gone']), stored(id, 7)] : [])
  await world.speaker.join('gone', 5, created(id))
  await Promise.all([next(gone.socket, 'conversationCreated'), world.speaker.join('gone', 0, created(other))])
  await Promise.all([hears(there.socket, 8), world.speaker.message(message(id, 8))])
  expect(gone.heard).toEqual(['created'])
  expect([...gone.server.rooms]).not.toContain(`conv:${id}`)
})

it('messages published together but not consecutive are each delivered in order', async () => {
  await using world = await setting(ENDLESS)
  const id = crypto.randomUUID()
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  const last = hears(there.socket, 8)
  await world.speaker.messages([message(id, 6), message(id, 8)])
  await world.speaker.message(message(id, 7))
  await last
  expect(there.heard).toEqual([6, 7, 8])
})

it('fetches missing messages repeatedly, in any number of rooms', async () => {
  await using world = await setting()
  const rooms = Array.from({ length: 60 }, () => ({ conversationId: crypto.randomUUID(), lastSeq: 5 }))
  const there = await world.open('there', ...rooms)
  world.base.stored = async (conversationId, from, to) => (from === 6 && to === 6 ? [stored(conversationId, 6)] : [])
  for (const { conversationId } of rooms) await world.speaker.message(message(conversationId, 7))
  await expect.poll(() => there.heard.length).toBe(2 * rooms.length)
  expect(there.heard.filter((seq) => seq === 6)).toHaveLength(rooms.length)
  expect(world.rooms.delivered).toMatchObject({ messages: 2 * rooms.length, fetches: rooms.length })
})

it('messages for a room that was empty here do not delay people who enter it later', async () => {
  await using world = await setting()
  const id = crypto.randomUUID()
  const packets = [encodeEvent('newMessage', message(id, 3))]
  world.rooms.deliver(conversationRoom(id), { origin: 'here', seq: 3, control: null, packets })
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  await Promise.all([hears(there.socket, 6), world.speaker.message(message(id, 6))])
  there.socket.disconnect()
  await expect.poll(() => there.server.nsp.adapter.rooms.has(conversationRoom(id))).toBe(false)
  const later = await world.open('later', { conversationId: id, lastSeq: 20 })
  await Promise.all([hears(later.socket, 21), world.speaker.message(message(id, 21))])
  expect([there.heard, later.heard]).toEqual([[6], [21]])
  expect(world.rooms.delivered.fetches).toBe(0)
})

it('somebody who leaves gets the messages before that, even if they are released at the same time', async () => {
  await using world = await setting(ENDLESS)
  const [id, other] = [crypto.randomUUID(), crypto.randomUUID()]
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  const gone = await world.open('gone', { conversationId: id, lastSeq: 5 })
  await world.speaker.message(message(id, 7), ['gone'])
  await Promise.all([hears(there.socket, 7), world.speaker.message(message(id, 6))])
  await Promise.all([next(gone.socket, 'conversationCreated'), world.speaker.join('gone', 0, created(other))])
  expect([there.heard, gone.heard]).toEqual([
    [6, 7],
    [6, 'created'],
  ])
})

it('of two changes of one person the later one counts, in whichever order they arrive', async () => {
  await using world = await setting()
  const [id, other] = [crypto.randomUUID(), crypto.randomUUID()]
  const there = await world.open('there', { conversationId: id, lastSeq: 7 })
  const [back, gone] = [await world.open('back'), await world.open('gone')]
  await Promise.all([next(back.socket, 'conversationCreated'), world.speaker.join('back', 7, created(id))])
  await Promise.all([next(back.socket, 'conversationUpdated'), world.speaker.leave('back', 5, left(id))])
  await Promise.all([hears(back.socket, 5), world.speaker.message(message(id, 5), ['back'])])
  await Promise.all([next(gone.socket, 'conversationUpdated'), world.speaker.leave('gone', 6, left(id))])
  await world.speaker.join('gone', 5, created(id))
  await Promise.all([hears(there.socket, 8), hears(back.socket, 8), world.speaker.message(message(id, 8))])
  await Promise.all([next(gone.socket, 'conversationCreated'), world.speaker.join('gone', 0, created(other))])
  expect(gone.heard).toEqual(['created'])
  expect(back.heard).toEqual(['created', 5, 8])
})

it.each([
  [
    'the person is told of',
    (speaker: Publisher, id: string) => speaker.leave('back', 5, { conversationId: id } as never),
  ],
  ['its message tells of', (speaker: Publisher, id: string) => speaker.message(message(id, 5), ['back'])],
])(
  'somebody who connected after their return stays, even if their removal, which %s, arrives later',
  async (_what, tellLate) => {
    await using world = await setting()
    const [id, other] = [crypto.randomUUID(), crypto.randomUUID()]
    // Message 5 announced that they left, 6 that they returned.
    const { socket, heard, server } = await world.open('back', { conversationId: id, lastSeq: 6 })
    await tellLate(world.speaker, id)
    await Promise.all([next(socket, 'conversationCreated'), world.speaker.join('back', 0, created(other))])
    expect([...server.rooms]).toContain(`conv:${id}`)
    await Promise.all([hears(socket, 7), world.speaker.message(message(id, 7))])
    expect(heard.at(-1)).toBe(7)
  },
)
