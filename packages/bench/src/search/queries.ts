import { randomNumbers, WORDS, wordOf } from './data.ts'

/** What is asked: the text, and what goes with it in the query string. */
export interface Ask {
  query: string
  more?: Record<string, string>
}

type Random = () => number
const between = (random: Random, low: number, high: number) => wordOf(low + Math.floor(random() * (high - low)))
const rare = (random: Random) => between(random, 5_000, WORDS)
const usual = (random: Random) => between(random, 50, 1_000)
/** Each of these is in a tenth of all messages or more. */
const common = (random: Random) => between(random, 0, 8)

/** Kinds of queries, each with other words every time. The last word of each is a prefix unless it is in quotes. */
export const KINDS: Record<string, (random: Random) => Ask> = {
  'a rare word': (random) => ({ query: rare(random) }),
  'a usual word': (random) => ({ query: usual(random) }),
  'a word of a tenth of all messages': (random) => ({ query: `"${common(random)}"` }),
  'two words': (random) => ({ query: `${usual(random)} ${common(random)}` }),
  'three letters': (random) => ({ query: usual(random).slice(0, 3) }),
  'one letter': (random) => ({ query: usual(random).slice(0, 1) }),
  'a phrase': (random) => ({ query: `"${common(random)} ${usual(random)}"` }),
  'a usual word, best first': (random) => ({ query: usual(random), more: { sort: 'best' } }),
  'a usual word, by sender': (random) => ({
    query: usual(random),
    more: { senderId: `user${Math.floor(random() * 500)}` },
  }),
}

/** `count` queries of each kind in turn, the same in every run with the same seed. */
export function mixOf(count: number, seed: number): { kind: string; ask: Ask }[] {
  const random = randomNumbers(seed)
  return Array.from({ length: count }, () =>
    Object.entries(KINDS).map(([kind, make]) => ({ kind, ask: make(random) })),
  ).flat()
}
