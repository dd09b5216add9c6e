import { randomNumbers, WORDS, wordOf } from './data.ts'

/** A search: the text, and other parameters of the query string. */
export interface Ask {
  query: string
  more?: Record<string, string>
}

type Random = () => number
const between = (random: Random, low: number, high: number) => wordOf(low + Math.floor(random() * (high - low)))
const rare = (random: Random) => between(random, 5_000, WORDS)
const ordinary = (random: Random) => between(random, 50, 1_000)
/** Each of these words is in at least a tenth of all messages. */
const common = (random: Random) => between(random, 0, 8)

/** The kinds of queries, each with different words every time. The last word of a query is a prefix unless in quotes. */
export const KINDS: Record<string, (random: Random) => Ask> = {
  'a rare word': (random) => ({ query: rare(random) }),
  'an ordinary word': (random) => ({ query: ordinary(random) }),
  'a word in a tenth of all messages': (random) => ({ query: `"${common(random)}"` }),
  'two words': (random) => ({ query: `${ordinary(random)} ${common(random)}` }),
  'three letters': (random) => ({ query: ordinary(random).slice(0, 3) }),
  'one letter': (random) => ({ query: ordinary(random).slice(0, 1) }),
  'a phrase': (random) => ({ query: `"${common(random)} ${ordinary(random)}"` }),
  'an ordinary word, best first': (random) => ({ query: ordinary(random), more: { sort: 'best' } }),
  'an ordinary word, by sender': (random) => ({
    query: ordinary(random),
    more: { senderId: `user${Math.floor(random() * 500)}` },
  }),
}

/** Returns `count` queries of each kind in turn, the same in every run with the same seed. */
export function mixOf(count: number, seed: number): { kind: string; ask: Ask }[] {
  const random = randomNumbers(seed)
  return Array.from({ length: count }, () =>
    Object.entries(KINDS).map(([kind, make]) => ({ kind, ask: make(random) })),
  ).flat()
}
