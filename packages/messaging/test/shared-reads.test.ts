import type { ListConversations } from '@parley/protocol'
import { afterAll, beforeAll, expect, it, vi } from 'vitest'
import { ConversationReader, History } from '../src/index.ts'
import { createSearchBed, type SearchBed } from './search-bed.ts'

const PEOPLE = Array.from({ length: 12 }, (_, n) => `reader-${n}`)
const PAGE = { page: 1, limit: 20, search: undefined } satisfies ListConversations
const links = { urlOf: () => '' }

let bed: SearchBed
const ids: string[] = []

/** Each user is in five groups with different members; what is read differs between users. */
beforeAll(async () => {
  bed = await createSearchBed()
  for (const n of PEOPLE.keys()) {
    const members = [0, 1, 2, 4, 7].map((step) => PEOPLE[(n + step) % PEOPLE.length] ?? '')
    const id = await bed.conversation(...members)
    ids.push(id)
    await bed.send(
      id,
      Array.from({ length: n }, (_, nth) => ({ content: `message ${nth} of ${n}`, senderId: members[nth % 5] ?? '' })),
    )
  }
  await bed.db.pool.query('update participants set last_read_seq = length(user_id || conversation_id::text) % 5')
})
afterAll(() => bed?.[Symbol.asyncDispose]())

function reading(online: (userIds: string[]) => Promise<Set<string>>) {
  const conversations = new ConversationReader(bed.db, { online }, links)
  return { conversations, history: new History(bed.db, conversations, links) }
}

it('concurrent requests get the same answers as single ones, with fewer statements', async () => {
  const { conversations, history } = reading(async (userIds) => new Set(userIds.filter((id) => id < 'reader-5')))
  const conversationOf = (n: number) => ids[n] ?? ''
  const questions = PEOPLE.flatMap((person, n) => [
    () => conversations.list(person, PAGE),
    () => conversations.get(conversationOf(n), person, 1 + (n % 5)),
    () => history.page(conversationOf(n), person, { page: 1, limit: 5 }),
    () => conversations.require(conversationOf(n), person),
    // A request by a stranger does not spoil the answers of the others.
    () => conversations.get(conversationOf(n), 'a stranger').catch((error) => error.code),
  ])
  const statements = vi.spyOn(bed.db.pool, 'query')
  const together = await Promise.all(questions.map((ask) => ask()))
  const shared = statements.mock.calls.length
  statements.mockClear()
  const alone: unknown[] = []
  for (const ask of questions) alone.push(await ask())
  expect(withoutLastSeen(together)).toEqual(withoutLastSeen(alone))
  expect(together[0]).toMatchObject({ data: { length: 5 }, meta: { total: 5 } })
  expect(together[4]).toBe('CONVERSATION_NOT_FOUND')
  // 23 statements are not shared: one for each list and each page. The other 130 or so are.
  expect(shared * 3).toBeLessThan(statements.mock.calls.length)
  statements.mockRestore()
})

it('a Redis that does not respond delays only the requests that asked it', async () => {
  const stuck = Promise.withResolvers<Set<string>>()
  const asked: string[][] = []
  const { conversations } = reading((userIds) => {
    asked.push(userIds)
    return asked.length === 1 ? stuck.promise : Promise.resolve(new Set(userIds))
  })
  const first = conversations.list('reader-0', PAGE)
  await expect.poll(() => asked.length).toBe(1)
  const second = await conversations.list('reader-1', PAGE)
  expect(second.data[0]?.participants.every(({ isOnline }) => isOnline)).toBe(true)
  stuck.reject(new Error('Redis is down'))
  expect((await first).data[0]?.participants.some(({ isOnline }) => isOnline)).toBe(false)
})

/** `lastSeen` of a user who is online: the time of the answer. */
function withoutLastSeen(answers: unknown): unknown {
  return JSON.parse(JSON.stringify(answers, (key, value) => (key === 'lastSeen' ? undefined : value)))
}
