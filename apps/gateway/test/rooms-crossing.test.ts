import { queryObjects } from 'node:v8'
import { createTestRedis, next, type TestRedis } from '@parley/testkit'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { created, ENDLESS, hears, left, message, oneGateway, stored } from './one-gateway.ts'

/* People who are added and removed while a query or a handshake is under way. */

let redis: TestRedis
beforeAll(async () => {
  redis = await createTestRedis()
})
afterAll(() => redis?.[Symbol.asyncDispose]())

/** A database answer that is held back until released. */
function held<T>(answer: T) {
  const asked = Promise.withResolvers<void>()
  const released = Promise.withResolvers<void>()
  const ask = async () => {
    asked.resolve()
    await released.promise
    return answer
  }
  return { ask, asked: asked.promise, release: released.resolve }
}

describe('somebody who is being let in', () => {
  it('and is removed and added again meanwhile gets each message once', async () => {
    await using world = await oneGateway(redis.url)
    const id = crypto.randomUUID()
    const there = await world.open('there', { conversationId: id, lastSeq: 5 })
    const late = await world.open('late')
    // Message 5 announced that they were added, 7 that they left, 8 that they returned; all were delivered here before the news.
    const all = [6, 7, 8, 9].map((seq) => message(id, seq))
    await Promise.all([hears(there.socket, 9), world.speaker.messages(all)])
    const first = held([6, 7, 8, 9].map((seq) => stored(id, seq)))
    const second = held([stored(id, 9)])
    const answers = [first, second]
    world.base.stored = async () => answers.shift()?.ask() ?? []
    await world.speaker.join('late', 5, created(id))
    await first.asked
    await Promise.all([next(late.socket, 'conversationUpdated'), world.speaker.leave('late', 7, left(id))])
    await world.speaker.join('late', 8, created(id))
    await second.asked
    first.release()
    second.release()
    const last = [late, there].map(({ socket }) => hears(socket, 10))
    await Promise.all([...last, world.speaker.message(message(id, 10))])
    expect(late.heard.filter((heard) => heard !== 'created')).toEqual([9, 10])
    expect(there.heard).toEqual([6, 7, 8, 9, 10])
  })

  it('gets their messages, even if somebody else is added meanwhile', async () => {
    await using world = await oneGateway(redis.url)
    const id = crypto.randomUUID()
    const there = await world.open('there', { conversationId: id, lastSeq: 5 })
    const [one, two] = [await world.open('one'), await world.open('two')]
    const answers = [held([stored(id, 6), stored(id, 7)]), held([stored(id, 7)])]
    const waiting = [...answers]
    world.base.stored = async () => waiting.shift()?.ask() ?? []
    await Promise.all([hears(there.socket, 6), world.speaker.message(message(id, 6))])
    await world.speaker.join('one', 5, created(id))
    await answers[0]?.asked
    await world.speaker.join('two', 6, created(id))
    await answers[1]?.asked
    await Promise.all([hears(there.socket, 7), world.speaker.message(message(id, 7))])
    for (const { release } of answers) release()
    const last = [one, two].map(({ socket }) => hears(socket, 8))
    await Promise.all([...last, world.speaker.message(message(id, 8))])
    expect([one.heard, two.heard]).toEqual([
      ['created', 6, 7, 8],
      ['created', 7, 8],
    ])
  })

  it('and is the first one here gets messages that arrive meanwhile in order', async () => {
    await using world = await oneGateway(redis.url)
    const id = crypto.randomUUID()
    const late = await world.open('late')
    const missed = held([stored(id, 6)])
    world.base.stored = missed.ask
    await world.speaker.join('late', 5, created(id))
    await missed.asked
    await world.speaker.message(message(id, 7))
    // Arrives after that message.
    const other = left(crypto.randomUUID())
    await Promise.all([next(late.socket, 'conversationUpdated'), world.speaker.leave('late', 1, other)])
    const last = hears(late.socket, 7)
    missed.release()
    await last
    expect(late.heard).toEqual(['created', 6, 7])
  })
})

it('repeated news of having been added causes no duplicates', async () => {
  await using world = await oneGateway(redis.url)
  const id = crypto.randomUUID()
  const { socket, heard } = await world.open('there', { conversationId: id, lastSeq: 5 })
  await Promise.all([hears(socket, 7), world.speaker.messages([message(id, 6), message(id, 7)])])
  world.base.stored = async () => [stored(id, 6), stored(id, 7)]
  await Promise.all([next(socket, 'conversationCreated'), world.speaker.join('there', 5, created(id))])
  await Promise.all([hears(socket, 8), world.speaker.message(message(id, 8))])
  expect(heard).toEqual([6, 7, 'created', 8])
})

it('people who enter a room one after the other get messages still in flight in order', async () => {
  await using world = await oneGateway(redis.url, ENDLESS)
  const id = crypto.randomUUID()
  const there = await world.open('there', { conversationId: id, lastSeq: 5 })
  await world.open('later', { conversationId: id, lastSeq: 8 })
  const last = hears(there.socket, 8)
  for (const seq of [7, 6, 8]) await world.speaker.message(message(id, seq))
  await last
  expect(there.heard).toEqual([6, 7, 8])
})

describe('somebody who enters a room that was empty gets nothing from before', () => {
  it('when the room had been silent', async () => {
    await using world = await oneGateway(redis.url)
    const id = crypto.randomUUID()
    await world.close(await world.open('there', { conversationId: id, lastSeq: 5 }))
    world.base.stored = async (_id, from, to) =>
      Array.from({ length: to - from + 1 }, (_, index) => stored(id, from + index))
    const { socket, heard } = await world.open('later', { conversationId: id, lastSeq: 20 })
    await Promise.all([hears(socket, 21), world.speaker.message(message(id, 21))])
    expect(heard).toEqual([21])
  })

  it('when a message was waiting for another', async () => {
    await using world = await oneGateway(redis.url)
    const [id, other] = [crypto.randomUUID(), crypto.randomUUID()]
    const there = await world.open('there', { conversationId: id, lastSeq: 5 }, { conversationId: other, lastSeq: 0 })
    await world.speaker.message(message(id, 7))
    await Promise.all([hears(there.socket, 1), world.speaker.message(message(other, 1))])
    await world.close(there)
    const asked: string[] = []
    world.base.stored = async (conversationId) => {
      asked.push(conversationId)
      return conversationId === id ? [stored(id, 6)] : []
    }
    const both = [id, other].map((conversationId) => ({ conversationId, lastSeq: 7 }))
    const { socket, heard } = await world.open('later', ...both)
    await Promise.all([hears(socket, 8), world.speaker.message(message(id, 8))])
    // It waits for its patience, too, and started later.
    await Promise.all([hears(socket, 9), world.speaker.message(message(other, 9))])
    expect(heard).toEqual([8, 9])
    expect(asked).toEqual([other])
  })

  it('when a message was being fetched', async () => {
    await using world = await oneGateway(redis.url)
    const id = crypto.randomUUID()
    const there = await world.open('there', { conversationId: id, lastSeq: 5 })
    const missed = held([stored(id, 6)])
    world.base.stored = missed.ask
    await world.speaker.message(message(id, 7))
    await missed.asked
    await world.close(there)
    const { socket, heard } = await world.open('later', { conversationId: id, lastSeq: 7 })
    missed.release()
    await Promise.all([hears(socket, 8), world.speaker.message(message(id, 8))])
    expect(heard).toEqual([8])
  })

  it('when somebody was being let in', async () => {
    await using world = await oneGateway(redis.url)
    const id = crypto.randomUUID()
    const gone = await world.open('gone')
    const missed = held([6, 7].map((seq) => stored(id, seq)))
    world.base.stored = missed.ask
    await world.speaker.join('gone', 5, created(id))
    await missed.asked
    await world.close(gone)
    const { socket, heard } = await world.open('later', { conversationId: id, lastSeq: 7 })
    missed.release()
    await Promise.all([hears(socket, 8), world.speaker.message(message(id, 8))])
    expect(heard).toEqual([8])
  })
})

it('keeps nothing of sockets that have entered their rooms', async () => {
  await using world = await oneGateway(redis.url)
  const { server } = await world.open('there')
  const enter = () => world.rooms.enter(server, 'there', async () => [])
  await enter()
  const before = queryObjects(Map, { format: 'count' })
  await Promise.all(Array.from({ length: 1_000 }, enter))
  expect(queryObjects(Map, { format: 'count' }) - before).toBeLessThan(500)
})
