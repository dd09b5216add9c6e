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
/** Searches for each text before any is measured: by then Postgres has settled whether it keeps a plan. */
const WARM = 8
/** People that are written together, and how many are for what a new one costs. */
const BATCH = 500
const WRITTEN = 2_000
/** One person in so many has a Chinese name. */
const CHINESE = 10

/** From what everybody has to what nobody has. Words of names end in n, and are as frequent as words of a language. */
const TEXTS = ['', 'n', 'ba', wordOf(20), wordOf(400), wordOf(4_000), `${wordOf(3)} ${wordOf(5)}`, '张', 'zzzz']

interface World {
  db: Database
  /** Of the one connection to Postgres. */
  pid: number
}

/**
 * Searching for people by a part of their names: processor time of Postgres for a first page and its total, beside the two statements
 * that one would write first, which read all names; and what the indexes cost somebody who is new.
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
  console.log(
    `Somebody who is new: ${Math.round(withIndexes)} us of Postgres, without the indexes ${Math.round(without)}`,
  )
  await writeReport(json, { people, searches: table, newPersonMicros: { withIndexes, without } })
}

/** By turns; medians of the rounds, in microseconds. */
async function measureText(world: World, text: string, rounds: number): Promise<Record<string, unknown>> {
  const { pool } = world.db
  const search = new People(world.db)
  const ours = () => search.search(text, 1, PAGE)
  const first = () => new People(world.db).search(text, 1, PAGE)
  const allRead = async () => {
    await pool.query({
      name: 'people_all_read',
      text: `
        select id, full_name, profile_photo, last_seen_at from users
        where name_key like '%' || $1 || '%' order by name_key, id limit $2`,
      values: [text, PAGE],
    })
    await countByName(pool, text)
  }
  for (let n = 0; n < WARM; n++) for (const each of [ours, first, allRead]) await each()
  const times = { ours: [] as number[], first: [] as number[], allRead: [] as number[] }
  for (let n = 0; n < rounds; n++) {
    times.allRead.push(await micros(world, allRead))
    times.first.push(await micros(world, first))
    times.ours.push(await micros(world, ours))
  }
  const { meta } = await ours()
  const [reads, now] = [spreadOf(times.allRead).median, spreadOf(times.ours).median]
  return {
    text,
    'who have it': meta.total,
    'all read, us': Math.round(reads),
    'parley, us': Math.round(now),
    'where it is counted, us': Math.round(spreadOf(times.first).median),
    ratio: round(now / reads),
  }
}

/** Processor time of Postgres for one of {@link WRITTEN} people who are new, in microseconds. */
async function microsForNew(world: World, from: number): Promise<number> {
  return (await micros(world, () => write(world.db, from, WRITTEN))) / WRITTEN
}

async function micros({ pid }: World, work: () => Promise<unknown>): Promise<number> {
  const before = await microsOnProcessor(pid)
  await work()
  return (await microsOnProcessor(pid)) - before
}

/** Writes `count` people, the first of them the `from`th. */
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

/** One of `count` characters, low ones more often; the first is 张. */
function randomCharacter(random: () => number, count: number): string {
  return String.fromCodePoint(0x5f20 + Math.floor(random() ** 3 * count))
}
