import { type SearchMatch, searchSlice } from '@parley/db'
import { expect, it } from 'vitest'
import { collectNewest, LOOKUP_LIMIT, newestFirst, SEARCH_DEPTH, type SliceKey } from '../src/search/collect.ts'

const START = Date.parse('2025-01-01T00:00:00Z')
const at = (second: number) => new Date(START + second * 1_000).toISOString().replace('Z', '000Z')

/** Conversations whose messages alternate; `matches` says which ones match. */
function world(sizes: readonly number[], matches: (conversation: number, seq: number) => boolean) {
  const all = sizes.map((size, index) =>
    Array.from({ length: size }, (_, n): SearchMatch => {
      return { conversation_id: `c${index}`, seq: n + 1, sent_at: at((n + 1) * sizes.length + index), rank: 0 }
    }),
  )
  const rounds: SliceKey[][] = []
  return {
    scope: all.map((messages, index) => ({
      id: `c${index}`,
      from_seq: 1,
      to_seq: messages.length,
      last_message_at: messages.at(-1)?.sent_at ?? at(0),
    })),
    look: async (slices: SliceKey[]) => {
      rounds.push(slices)
      const wanted = new Set(slices.map(({ conversationId, slice }) => `${conversationId} ${slice}`))
      return all
        .flatMap((messages, index) =>
          messages.filter(
            ({ conversation_id: id, seq }) => wanted.has(`${id} ${searchSlice(seq)}`) && matches(index, seq),
          ),
        )
        .sort(newestFirst)
        .slice(0, LOOKUP_LIMIT)
    },
    rounds,
    expected: all.flatMap((messages, index) => messages.filter(({ seq }) => matches(index, seq))).sort(newestFirst),
  }
}

it('searches everything for a rare term, in few rounds', async () => {
  const { scope, look, rounds, expected } = world([50_000, 3_000, 10, 0], (_, seq) => seq % 1_777 === 5)
  const { matches, complete } = await collectNewest(scope, 20, look)
  expect(matches).toEqual(expected)
  expect(complete).toBe(true)
  expect(rounds.length).toBeLessThanOrEqual(8)
  expect(new Set(rounds.flat().map((slice) => JSON.stringify(slice))).size).toBe(rounds.flat().length)
})

it('goes no further back than the page needs for a common term', async () => {
  const { scope, look, rounds, expected } = world([200_000, 40_000, 500], () => true)
  const { matches, complete } = await collectNewest(scope, 20, look)
  expect(matches.slice(0, 20)).toEqual(expected.slice(0, 20))
  expect(matches).toHaveLength(SEARCH_DEPTH)
  expect(complete).toBe(false)
  expect(rounds.flat().length).toBeLessThanOrEqual(12)
})

it('does not treat a quiet conversation as newer because its newest slice is short', async () => {
  // c0 has only old matches, c1 many recent ones behind its newest slice.
  const { scope, look, expected } = world([1_030, 9_000], (conversation, seq) =>
    conversation === 0 ? seq < 900 : seq > 7_000,
  )
  const { matches } = await collectNewest(scope, SEARCH_DEPTH, look)
  expect(matches).toEqual(expected.slice(0, SEARCH_DEPTH))
})

it('runs no lookup if there is nothing to search', async () => {
  const { scope, look, rounds } = world([0, 0], () => true)
  expect(await collectNewest(scope, 20, look)).toEqual({ matches: [], complete: true })
  expect(rounds).toEqual([])
})

it('finds matches in more conversations than it searches in one round', async () => {
  const { scope, look, rounds, expected } = world(
    Array.from({ length: 600 }, () => 3),
    (_, seq) => seq === 1,
  )
  expect(await collectNewest(scope, 20, look)).toEqual({ matches: expected, complete: true })
  expect(rounds.length).toBeGreaterThan(1)
})

it.each([
  [SEARCH_DEPTH, true],
  [SEARCH_DEPTH + 1, false],
])('with %i matches, reports whether it counted them all: %s', async (size, complete) => {
  const { scope, look, expected } = world([size], () => true)
  expect(await collectNewest(scope, 20, look)).toEqual({ matches: expected.slice(0, SEARCH_DEPTH), complete })
})
