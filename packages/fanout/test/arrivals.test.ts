import { expect, it } from 'vitest'
import { framesOf } from '../src/arrivals.ts'

const arrival = (userId: string, conversations: number) => ({
  userId,
  userName: userId,
  conversationIds: Array.from({ length: conversations }, (_, i) => `${userId}-${i}`),
})

it('frames hold arrivals in order, as many as fit, and one with very many conversations by itself', () => {
  const people = [arrival('a', 2_000), arrival('b', 3_000), arrival('c', 1), arrival('d', 9_000), arrival('e', 0)]
  const frames = [...framesOf(people)].map((frame) => frame.map(({ userId }) => userId))
  expect(frames).toEqual([['a', 'b'], ['c'], ['d'], ['e']])
  expect([...framesOf([])]).toEqual([])
})
