import { type Database, openDatabase } from '@parley/db'
import { MessageSearch } from '@parley/messaging'
import { parse, searchMessagesQuery } from '@parley/protocol'
import { percentilesOf } from '../statistics.ts'
import type { Asker } from './data.ts'
import { type Ask, mixOf } from './queries.ts'

/** Milliseconds. */
export interface Times {
  count: number
  p50: number
  p95: number
  p99: number
  max: number
}

function timesOf(took: readonly number[]): Times {
  const at = percentilesOf(took)
  return { count: took.length, p50: at(0.5), p95: at(0.95), p99: at(0.99), max: at(1) }
}

/** Times of one subject: for each kind of query, and overall. */
export interface Measured {
  all: Times
  kinds: Record<string, Times>
}

/** Something that executes a search. */
export type Subject = (ask: Ask) => Promise<unknown>

/**
 * Runs all kinds of queries in turn, each on every subject before the next, so that other load on the machine affects all
 * subjects alike. The first few queries are not counted.
 */
export async function measure(
  subjects: Record<string, Subject>,
  count: number,
  seed: number,
): Promise<Record<string, Measured>> {
  const took = new Map(Object.keys(subjects).map((name) => [name, new Map<string, number[]>()]))
  for (const { ask } of mixOf(3, seed + 1)) for (const subject of Object.values(subjects)) await subject(ask)
  for (const { kind, ask } of mixOf(count, seed)) {
    for (const [name, subject] of Object.entries(subjects)) {
      const begun = performance.now()
      await subject(ask)
      const kinds = took.get(name)
      const times = kinds?.get(kind) ?? []
      times.push(performance.now() - begun)
      kinds?.set(kind, times)
    }
  }
  return Object.fromEntries(
    [...took].map(([name, kinds]) => [
      name,
      {
        all: timesOf([...kinds.values()].flat()),
        kinds: Object.fromEntries([...kinds].map(([kind, times]) => [kind, timesOf(times)])),
      },
    ]),
  )
}

/** Runs a whole search as the API does: conversations, index, messages, read marks, people, highlights. */
export function searchSubject(db: Database, asker: Asker): Subject {
  const search = new MessageSearch(db, { online: async () => new Set() }, { urlOf: () => '' })
  return ({ query, more }) => search.search(asker, parse(searchMessagesQuery, { query, ...more }))
}

/** Measures an empty round trip, as a reference for the machine's current speed. */
export async function measureNothing(db: Database, count: number): Promise<Times> {
  const took: number[] = []
  for (let n = 0; n < count; n++) {
    const begun = performance.now()
    await db.pool.query('select 1')
    took.push(performance.now() - begun)
  }
  return timesOf(took)
}

/** Returns the plan of the index lookup for a query, as executed (by auto_explain). */
export async function explainSearch(url: string, asker: Asker, query: string): Promise<string> {
  const db = openDatabase({ url, max: 1, applicationName: 'bench-explain' })
  const plans: string[] = []
  db.pool.on('connect', (client) => client.on('notice', (notice) => plans.push(notice.message ?? '')))
  try {
    await db.pool.query(`
      load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_analyze = on;
      set auto_explain.log_buffers = on; set auto_explain.log_nested_statements = on; set client_min_messages = log`)
    const search = new MessageSearch(db, { online: async () => new Set() }, { urlOf: () => '' })
    await search.search(asker, parse(searchMessagesQuery, { query }))
    return plans.find((plan) => plan.includes('message_search_terms')) ?? ''
  } finally {
    await db.close()
  }
}
