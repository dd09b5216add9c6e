import { afterEach, expect, it, vi } from 'vitest'
import { OnlineNews, type OnlineNewsOptions } from '../src/online-news.ts'

afterEach(() => void vi.useRealTimers())

it('announces a lone arrival at once, the next one after a second, and a crowd after two at most', () => {
  vi.useFakeTimers()
  const told: { at: number; people: number }[] = []
  const began = performance.now()
  const online = (people: readonly unknown[]) =>
    void told.push({ at: Math.round(performance.now() - began), people: people.length })
  const unused = vi.fn()
  const news = new OnlineNews({
    publisher: { online },
    membership: { conversationsOf: unused },
    people: { get: unused },
    presenceReader: { online: unused },
  } satisfies OnlineNewsOptions)
  const comes = (count: number) => {
    for (let i = 0; i < count; i++) news.tell({ userId: `user-${i}`, userName: 'User', conversationIds: [] })
  }
  comes(1)
  vi.advanceTimersByTime(100)
  comes(150)
  vi.advanceTimersByTime(1_000)
  comes(400)
  vi.advanceTimersByTime(1_500)
  comes(1)
  vi.advanceTimersByTime(2_000)
  expect(told).toEqual([
    { at: 50, people: 1 },
    { at: 1_050, people: 150 },
    { at: 2_550, people: 400 },
    { at: 4_550, people: 1 },
  ])
})

it('announces arrivals from while Redis was away once they can be looked up, unless they have left again', async () => {
  const told: string[] = []
  const get = vi.fn(async (id: string) => ({ id, fullName: id, profilePhoto: null }))
  for (let person = 0; person < 2; person++) get.mockRejectedValueOnce(new Error('the database is away'))
  const news = new OnlineNews({
    publisher: { online: (arrivals) => void told.push(...arrivals.map(({ userId }) => userId)) },
    membership: { conversationsOf: async () => [] },
    people: { get },
    presenceReader: { online: async (ids) => new Set(ids.filter((id) => id !== 'gone')) },
  })
  await Promise.all(['here', 'gone'].map((userId) => news.tellOf(userId)))
  news.flush()
  expect(told).toEqual(['here'])
})
