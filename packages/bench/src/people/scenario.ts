import { countByName, type Database, migrate, openDatabase } from '@parley/db'
import { People } from '@parley/messaging'
import type { BenchArguments } from '../main.ts'
import { microsOnProcessor } from '../process-usage.ts'
import { round, writeReport } from '../report.ts'
import { randomNumbers, randomWord, wordOf } from '../search/data.ts'
import { startServices } from '../services.ts'
import { spreadOf } from '../statistics.ts'
import { createDatabase } from '../subjects/database.ts'

const PAGE = 20
/** Searches for each text before the measurement: by then Postgres has decided whether to use a generic plan. */
const WARM = 8
/** The number of people written per call, and the number written to measure the cost of a new one. */
const BATCH = 500
const WRITTEN = 2_000
/** One in this many people has a Chinese name. */
const CHINESE = 10

/** From texts in every name to texts in none. Words end in n, and their frequencies are those of a natural language. */
const TEXTS = ['', 'n', 'ba', wordOf(20), wordOf(400), wordOf(4_000), `${wordOf(3)} ${wordOf(5)}`, '张', 'zzzz']

interface World {
  db: Database
  /** The process id of the one connection to Postgres. */
  pid: number
}

/**
 * Measures the search for people by a part of their name: Postgres's processor time for a first page and its total, compared with
 * the two obvious statements, which scan all names; and what the indexes add to the cost of a new person.
 */
export async function run({ quick, json, rounds }: BenchArguments): Promise<void> {
  const people = quick ? 50_000 : 200_000
  await using undo = new AsyncDisposableStack()
  const services = undo.use(await startServices())
  const database = await createDatabase(services.postgresUrl)
  undo.defer(() => database.drop())
  await migrate(database.url)
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'bench', queryTimeoutMs: 600_000 })
  undo.defer(() => db.close())
  const { rows } = await db.pool.query<{ pid: number }>('select pg_backend_pid() as pid')
  const world = { db, pid: rows[0]?.pid ?? 0 }
  console.log(`storing ${people} people`)
  await write(db, 0, people)
  await db.pool.query('vacuum analyze users')

  const table: Record<string, unknown>[] = []
  for (const text of TEXTS) table.push(await measureText(world, text, rounds ?? 5))
  console.table(table)

  const withIndexes = await microsForNew(world, people)
  await db.pool.query('drop index users_by_name, users_name_parts')
  const without = await microsForNew(world, people + WRITTEN)
  console.log(`A new person: ${Math.round(withIndexes)} us in Postgres, without the indexes ${Math.round(without)}`)
  await writeReport(json, { people, searches: table, newPersonMicros: { withIndexes, without } })
}

/** Measures alternately. @returns medians of the rounds, in microseconds */
async function measureText(world: World, text: string, rounds: number): Promise<Record<string, unknown>> {
  const { pool } = world.db
  const search = new People(world.db)
  const cached = () => search.search(text, 1, PAGE)
  const uncached = () => new People(world.db).search(text, 1, PAGE)
  const fullScan = async () => {
    await pool.query({
      name: 'people_all_read',
      text: `
        select id, full_name, profile_photo, last_seen_at from users
        where name_key like '%' || $1 || '%' order by name_key, id limit $2`,
      values: [text, PAGE],
    })
    await countByName(pool, text)
  }
  for (let n = 0; n < WARM; n++) for (const each of [cached, uncached, fullScan]) await each()
  const times = { cached: [] as number[], uncached: [] as number[], fullScan: [] as number[] }
  for (let n = 0; n < rounds; n++) {
    times.fullScan.push(await micros(world, fullScan))
    times.uncached.push(await micros(world, uncached))
    times.cached.push(await micros(world, cached))
  }
  const { meta } = await cached()
  const [fullScanUs, cachedUs] = [spreadOf(times.fullScan).median, spreadOf(times.cached).median]
  return {
    text,
    matches: meta.total,
    'full scan, us': Math.round(fullScanUs),
    'parley, us': Math.round(cachedUs),
    'with the count, us': Math.round(spreadOf(times.uncached).median),
    ratio: round(cachedUs / fullScanUs),
  }
}

/** Returns Postgres's processor time for each of {@link WRITTEN} new people, in microseconds. */
async function microsForNew(world: World, from: number): Promise<number> {
  return (await micros(world, () => write(world.db, from, WRITTEN))) / WRITTEN
}

async function micros({ pid }: World, work: () => Promise<unknown>): Promise<number> {
  const before = await microsOnProcessor(pid)
  await work()
  return (await microsOnProcessor(pid)) - before
}

/** Writes `count` people, numbered from `from`. */
async function write(db: Database, from: number, count: number): Promise<void> {
  const random = randomNumbers(from + 1)
  const store = new People(db)
  for (let at = from; at < from + count; at += BATCH) {
    const ids = Array.from({ length: Math.min(BATCH, from + count - at) }, (_, n) => `user-${at + n}`)
    await store.put(ids.map((id) => ({ id, fullName: randomName(random) })))
  }
}

function randomName(random: () => number): string {
  if (random() * CHINESE < 1) return `${randomCharacter(random, 100)}${randomCharacter(random, 800)}`
  return [randomWord(random), randomWord(random)].map((word) => word[0]?.toUpperCase() + word.slice(1)).join(' ')
}

/** Returns one of `count` characters, low ones more often; the first is 张. */
function randomCharacter(random: () => number, count: number): string {
  return String.fromCodePoint(0x5f20 + Math.floor(random() ** 3 * count))
}
