import { createHash } from 'node:crypto'
import type { Database } from '@parley/db'
import { indexForSearch } from '@parley/messaging'

/*
 * Messages of made-up words with the frequencies of a natural language (Zipf's law), in conversations written to alternately, so
 * that messages adjacent in time are in different conversations, as in reality.
 */

export const WORDS = 40_000
const BATCH = 5_000
const USERS = 500
const MEMBERS = 5
const START = Date.parse('2024-01-01T00:00:00Z')
const SPAN_MS = 2 * 365 * 86_400_000

/** Two people whose searches are measured, each in 50 conversations that they do not share. */
export const ASKERS = {
  /** 50 conversations of 100 messages. */
  even: { first: 0, sizes: Array.from({ length: 50 }, () => 100) },
  /** One of 20,000 messages, nine of 3,000 and forty of 100. */
  heavy: {
    first: 50,
    sizes: Array.from({ length: 50 }, (_, n) => (n === 0 ? 20_000 : n < 10 ? 3_000 : 100)),
  },
}
export type Asker = keyof typeof ASKERS

/** Returns a generator of the same numbers in every run. */
export function randomNumbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const SYLLABLES = [
  'ba',
  'ce',
  'di',
  'fo',
  'gu',
  'ha',
  'je',
  'ki',
  'lo',
  'mu',
  'na',
  'pe',
  'ri',
  'so',
  'tu',
  'va',
  'we',
  'xi',
]

/** Returns the `rank`th most frequent word, from 0. Frequent words are short. */
export function wordOf(rank: number): string {
  let word = ''
  for (let rest = rank + 1; rest > 0; rest = Math.floor((rest - 1) / SYLLABLES.length)) {
    word += SYLLABLES[(rest - 1) % SYLLABLES.length] ?? ''
  }
  return `${word}n`
}

const cumulative = Float64Array.from({ length: WORDS })
let sum = 0
for (let rank = 0; rank < WORDS; rank++) {
  sum += 1 / (rank + 1)
  cumulative[rank] = sum
}

/** Returns a random word, frequent ones more often. @param random returns a number from 0 to 1 */
export function randomWord(random: () => number): string {
  const wanted = random() * sum
  let [low, high] = [0, WORDS - 1]
  while (low < high) {
    const middle = (low + high) >> 1
    if ((cumulative[middle] ?? 0) < wanted) low = middle + 1
    else high = middle
  }
  return wordOf(low)
}

/** Returns the id of the nth conversation: the same in every run. */
export function conversationId(n: number): string {
  const hex = createHash('sha256').update(`conversation ${n}`).digest('hex')
  return hex.replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, '$1-$2-7$3-8$4-$5')
}

/** Returns the number of messages of each conversation from `first` to before `end`, with a total of `messages`. */
export function sizesOf(first: number, end: number, messages: number): Map<number, number> {
  const sizes = new Map<number, number>()
  for (const asker of Object.values(ASKERS)) {
    asker.sizes.forEach((size, n) => {
      if (asker.first + n >= first && asker.first + n < end) sizes.set(asker.first + n, size)
    })
  }
  const rest = messages - [...sizes.values()].reduce((all, size) => all + size, 0)
  const others = end - first - sizes.size
  for (let n = first; n < end; n++) if (!sizes.has(n)) sizes.set(n, Math.max(1, Math.round(rest / others)))
  return sizes
}

/** Stores these conversations with their messages, and indexes them as the worker does. */
export async function fill(
  db: Database,
  sizes: ReadonlyMap<number, number>,
  onProgress: (done: number, total: number) => void,
): Promise<void> {
  await insertConversations(db, sizes)
  const random = randomNumbers(sizes.size)
  const turns = shuffled(sizes, random)
  const seqs = new Map<number, number>()
  for (let at = 0; at < turns.length; at += BATCH) {
    const batch = Array.from(turns.subarray(at, at + BATCH), (n) => {
      const seq = (seqs.get(n) ?? 0) + 1
      seqs.set(n, seq)
      const position = seq / ((sizes.get(n) ?? 1) + 1)
      return {
        conversationId: conversationId(n),
        seq,
        senderId: memberOf(n, Math.floor(random() * MEMBERS)),
        content: Array.from({ length: 3 + Math.floor(random() * 14) }, () => randomWord(random)).join(' '),
        type: 'TEXT' as const,
        createdAt: new Date(START + position * SPAN_MS).toISOString(),
        attachments: [],
      }
    })
    await insertMessages(db, batch)
    await indexForSearch(db.pool, batch)
    onProgress(at + batch.length, turns.length)
  }
}

function memberOf(conversation: number, member: number): string {
  const asker = Object.entries(ASKERS).find(
    ([, { first, sizes }]) => conversation >= first && conversation < first + sizes.length,
  )
  return member === 0 && asker !== undefined ? asker[0] : `user${(conversation * 7 + member * 31) % USERS}`
}

function shuffled(sizes: ReadonlyMap<number, number>, random: () => number): Int32Array {
  const turns = Int32Array.from([...sizes].flatMap(([n, size]) => new Array<number>(size).fill(n)))
  for (let at = turns.length - 1; at > 0; at--) {
    const other = Math.floor(random() * (at + 1))
    const [a = 0, b = 0] = [turns[at], turns[other]]
    turns[at] = b
    turns[other] = a
  }
  return turns
}

async function insertConversations(db: Database, sizes: ReadonlyMap<number, number>): Promise<void> {
  const numbers = [...sizes.keys()]
  const people = [...Object.keys(ASKERS), ...Array.from({ length: USERS }, (_, n) => `user${n}`)]
  await db.pool.query(
    'insert into users (id, full_name, name_key) select u, u, u from unnest($1::text[]) u on conflict do nothing',
    [people],
  )
  await db.pool.query(
    `insert into conversations (id, type, created_by, participant_count, last_seq, rev, last_message_at)
     select id, 'GROUP', 'user0', $3, size, size, to_timestamp(at / 1000.0)
     from unnest($1::uuid[], $2::bigint[], $4::bigint[]) c (id, size, at)`,
    [
      numbers.map(conversationId),
      [...sizes.values()],
      MEMBERS,
      [...sizes.values()].map((size) => Math.floor(START + (size / (size + 1)) * SPAN_MS) + 1),
    ],
  )
  const members = numbers.flatMap((n) => Array.from({ length: MEMBERS }, (_, m) => ({ n, id: memberOf(n, m) })))
  await db.pool.query(
    `insert into participants (conversation_id, user_id) select * from unnest($1::uuid[], $2::text[])
     on conflict do nothing`,
    [members.map(({ n }) => conversationId(n)), members.map(({ id }) => id)],
  )
}

async function insertMessages(
  db: Database,
  batch: readonly { conversationId: string; seq: number; senderId: string; content: string; createdAt: string }[],
): Promise<void> {
  await db.pool.query(
    `insert into messages (conversation_id, seq, id, rev, sender_id, client_message_id, content, type, created_at)
     select conversation_id, seq, uuidv7(), seq, sender_id, seq::text, content, 'TEXT', created_at
     from unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[])
       as m (conversation_id, seq, sender_id, content, created_at)`,
    [
      batch.map((m) => m.conversationId),
      batch.map((m) => m.seq),
      batch.map((m) => m.senderId),
      batch.map((m) => m.content),
      batch.map((m) => m.createdAt),
    ],
  )
}
