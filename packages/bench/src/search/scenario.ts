import { mkdtemp, rm } from 'node:fs/promises'
import { loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Database, migrate, openDatabase } from '@parley/db'
import { startPostgres } from '@parley/local/services'
import { SearchRebuild } from '@parley/messaging'
import type { BenchArguments } from '../main.ts'
import { writeReport } from '../report.ts'
import { ASKERS, type Asker, fill, sizesOf, wordOf } from './data.ts'
import { askDesign, buildDesigns, DESIGNS, type Design } from './designs.ts'
import {
  explainSearch,
  type Measured,
  measure,
  measureNothing,
  type Subject,
  searchSubject,
  type Times,
} from './measure.ts'

const INDEX = 'create index message_search_terms on message_search using gin (terms) with (fastupdate = off)'
const GOAL_MS = 50
/** The number of messages over which the indexing rate is measured. */
const INDEXED = 20_000
const OURS = 'parley'
const askers = Object.keys(ASKERS) as Asker[]
const designs = Object.keys(DESIGNS) as Design[]

interface Size {
  conversations: number
  messages: number
}

interface World extends Size {
  db: Database
  url: string
  indexMb: number
}

/**
 * Measures the first page of a search by a member of 50 conversations, among a thousand and among ten thousand: conversations
 * that the member is not in should cost nothing.
 */
export async function run({ quick, json }: BenchArguments): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-search-'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  // No fsync: this measures searches. The indexing rate at the end is therefore without fsync as well.
  const postgres = await startPostgres({ dataDir: folder, log: () => undefined, durable: false })
  undo.defer(() => postgres.stop())
  const sizes: Size[] = quick
    ? [
        { conversations: 500, messages: 80_000 },
        { conversations: 1_500, messages: 160_000 },
      ]
    : [
        { conversations: 1_000, messages: 100_000 },
        { conversations: 10_000, messages: 1_000_000 },
      ]
  const worlds: World[] = []
  for (const size of sizes) {
    const world = await makeWorld(postgres.url, size)
    undo.defer(() => world.db.close())
    worlds.push(world)
    if (!quick) await buildDesigns(world.db)
  }
  const results: Record<string, Record<string, Measured>> = {}
  for (const asker of askers) {
    console.log(`measuring: ${asker}`)
    results[asker] = await measure(subjectsOf(worlds, asker, quick), quick ? 20 : 100, 1)
    printResults(asker, results[asker], worlds)
  }
  const [smallest, largest] = [worlds[0], worlds.at(-1)]
  const plan = largest === undefined ? '' : await explainSearch(largest.url, 'even', wordOf(300))
  console.log(`\nThe index lookup, as executed:\n${plan}`)
  const roundTrip = largest === undefined ? undefined : await measureNothing(largest.db, 500)
  console.log(
    `\nA round trip to Postgres: p50 ${ms(roundTrip?.p50 ?? 0)} ms; load of the machine: ${loadavg()[1]?.toFixed(1)}`,
  )
  const indexedPerSec = smallest === undefined ? 0 : await measureIndexing(smallest.db)
  console.log(`Indexed by a rebuild: ${Math.round(indexedPerSec)} messages a second`)
  const figures = worlds.map(({ conversations, messages, indexMb }) => ({ conversations, messages, indexMb }))
  await writeReport(json, { worlds: figures, roundTrip, indexedPerSec, results, plan })
}

/** Returns the messages per second that a rebuild indexes, with nothing else running and without fsync. */
async function measureIndexing(db: Database): Promise<number> {
  await db.pool.query('truncate message_search')
  const stop = new AbortController()
  const begun = performance.now()
  const { done } = await new SearchRebuild(db).run({
    batchSize: 500,
    onProgress: (progress) => progress.done >= INDEXED && stop.abort(),
    signal: stop.signal,
  })
  return done / ((performance.now() - begun) / 1_000)
}

/** Creates a database of this size, filled and indexed. */
async function makeWorld(serverUrl: string, size: Size): Promise<World> {
  const name = `bench_${size.conversations}`
  const admin = openDatabase({ url: serverUrl, max: 1, applicationName: 'bench' })
  await admin.pool.query(`create database ${name}`)
  await admin.close()
  const address = new URL(serverUrl)
  address.pathname = `/${name}`
  const url = address.href
  await migrate(url)
  const db = openDatabase({ url, max: 4, applicationName: 'bench', queryTimeoutMs: 600_000 })
  await db.pool.query('drop index message_search_terms')
  let reportedAt = performance.now()
  await fill(db, sizesOf(0, size.conversations, size.messages), (done, total) => {
    if (performance.now() - reportedAt < 5_000) return
    reportedAt = performance.now()
    console.log(`storing and indexing: ${done} of ${total} messages`)
  })
  console.log(`building the index of ${size.messages} messages`)
  await db.pool.query(INDEX)
  await db.pool.query('vacuum analyze')
  const { rows } = await db.pool.query<{ mb: number }>(
    `select round(pg_relation_size('message_search_terms') / 1e6)::int as mb`,
  )
  return { ...size, db, url, indexMb: rows[0]?.mb ?? 0 }
}

function subjectsOf(worlds: readonly World[], asker: Asker, quick: boolean): Record<string, Subject> {
  const subjects: Record<string, Subject> = {}
  for (const world of worlds) {
    subjects[subjectName(OURS, world)] = searchSubject(world.db, asker)
    if (quick) continue
    for (const design of designs) {
      subjects[subjectName(design, world)] = (ask) => askDesign(world.db, design, asker, ask)
    }
  }
  return subjects
}

const subjectName = (subject: string, { messages }: Size) => `${subject}, ${messages} messages`
const ms = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0))

function printResults(asker: Asker, results: Record<string, Measured>, worlds: readonly World[]): void {
  for (const [name, { all, kinds }] of Object.entries(results)) {
    console.log(`\n${`${asker}: ${name}`.padEnd(64)}     p50     p99     max (ms)`)
    const line = (kind: string, { p50, p99, max }: Times) =>
      console.log(`  ${kind.padEnd(62)}${[p50, p99, max].map((value) => ms(value).padStart(8)).join('')}`)
    for (const [kind, times] of Object.entries(kinds)) line(kind, times)
    line('all', all)
  }
  console.log('')
  const [few, many] = [worlds[0], worlds.at(-1)]
  if (few === undefined || many === undefined) return
  for (const subject of [OURS, ...designs]) {
    const [a, b] = [results[subjectName(subject, few)]?.all, results[subjectName(subject, many)]?.all]
    if (a === undefined || b === undefined) continue
    const growth = `p50 ${(b.p50 / a.p50).toFixed(2)} ×, p99 ${(b.p99 / a.p99).toFixed(2)} ×`
    const goal = subject === OURS ? `; p99 ${ms(b.p99)} ms, under ${GOAL_MS} ms: ${b.p99 < GOAL_MS ? 'yes' : 'no'}` : ''
    console.log(`${asker}: ${subject}: ${growth} for ${many.messages / few.messages} × the messages${goal}`)
  }
}
