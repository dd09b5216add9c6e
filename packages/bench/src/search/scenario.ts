import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { arch, cpus, platform, tmpdir, totalmem } from 'node:os'
import { join } from 'node:path'
import { type Database, migrate, openDatabase } from '@parley/db'
import { startPostgres } from '@parley/local/services'
import type { BenchArguments } from '../main.ts'
import { ASKERS, type Asker, fill, sizesOf, wordOf } from './data.ts'
import { buildDesigns, DESIGNS, type Design } from './designs.ts'
import { explainSearch, type Measured, measureDesign, measureNothing, measureSearch, type Times } from './measure.ts'

const INDEX = 'create index message_search_terms on message_search using gin (terms) with (fastupdate = off)'
const GOAL_MS = 50
const askers = Object.keys(ASKERS) as Asker[]

interface Stage {
  conversations: number
  messages: number
  indexMb: number
  roundTrip: Times
  search: Record<string, Measured>
  designs: Record<string, Record<string, Measured>>
}

/**
 * The first page of a search by a member of 50 conversations, with a thousand conversations in the system and then with
 * ten thousand: the nine thousand that the member is not in should cost them nothing.
 */
export async function run({ quick, json }: BenchArguments): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-search-'))
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  // Nothing is measured that writes, so nothing need survive.
  const postgres = await startPostgres({ dataDir: folder, log: () => undefined, durable: false })
  undo.defer(() => postgres.stop())
  await migrate(postgres.url)
  const db = openDatabase({ url: postgres.url, max: 4, applicationName: 'bench', queryTimeoutMs: 600_000 })
  undo.defer(() => db.close())
  const steps = quick
    ? [
        { conversations: 500, messages: 80_000 },
        { conversations: 1_500, messages: 160_000 },
      ]
    : [
        { conversations: 1_000, messages: 100_000 },
        { conversations: 10_000, messages: 1_000_000 },
      ]
  const stages: Stage[] = []
  let before = { conversations: 0, messages: 0 }
  for (const step of steps) {
    await grow(db, before, step)
    stages.push(await measureStage(db, step, quick))
    before = step
  }
  const plan = await explainSearch(postgres.url, 'even', wordOf(300))
  print(stages)
  console.log(`\nThe look into the index, as carried out:\n${plan}`)
  if (json !== undefined) await writeFile(json, `${JSON.stringify({ machine: machine(), stages, plan }, null, 2)}\n`)
}

async function grow(
  db: Database,
  before: { conversations: number; messages: number },
  step: { conversations: number; messages: number },
): Promise<void> {
  const sizes = sizesOf(before.conversations, step.conversations, step.messages - before.messages)
  await db.pool.query('drop index message_search_terms')
  let said = 0
  await fill(db, sizes, (done, total) => {
    if (performance.now() - said < 5_000) return
    said = performance.now()
    console.log(`storing and indexing: ${done} of ${total} messages`)
  })
  console.log('building the index')
  await db.pool.query(INDEX)
  await db.pool.query('vacuum analyze')
}

async function measureStage(
  db: Database,
  { conversations, messages }: { conversations: number; messages: number },
  quick: boolean,
): Promise<Stage> {
  const count = quick ? 20 : 200
  console.log(`measuring with ${messages} messages in ${conversations} conversations`)
  const { rows } = await db.pool.query<{ mb: number }>(
    `select round(pg_relation_size('message_search_terms') / 1e6)::int as mb`,
  )
  const roundTrip = await measureNothing(db, 500)
  const search: Stage['search'] = {}
  for (const asker of askers) search[asker] = await measureSearch(db, asker, count, conversations)
  const designs: Stage['designs'] = {}
  if (!quick) {
    console.log('building the other designs')
    await buildDesigns(db)
    for (const design of Object.keys(DESIGNS) as Design[]) {
      const results: Record<string, Measured> = {}
      for (const asker of askers) results[asker] = await measureDesign(db, design, asker, count / 4, conversations)
      designs[design] = results
    }
  }
  return { conversations, messages, indexMb: rows[0]?.mb ?? 0, roundTrip, search, designs }
}

const ms = (value: number) => (value < 10 ? value.toFixed(1) : value.toFixed(0))

function print(stages: readonly Stage[]): void {
  for (const { conversations, messages, indexMb, roundTrip, search, designs } of stages) {
    console.log(
      `\n${messages} messages in ${conversations} conversations, index ${indexMb} MB, round trip ${ms(roundTrip.p50)} ms`,
    )
    for (const asker of askers) {
      printTable(`search, ${asker}`, search[asker])
      for (const [design, results] of Object.entries(designs)) printTable(`${design}, ${asker}`, results[asker])
    }
  }
  const [few, many] = [stages[0], stages.at(-1)]
  for (const asker of askers) {
    const [a, b] = [few?.search[asker]?.all, many?.search[asker]?.all]
    if (a === undefined || b === undefined) continue
    const growth = `p50 ${(b.p50 / a.p50).toFixed(2)} ×, p99 ${(b.p99 / a.p99).toFixed(2)} ×`
    const met = b.p99 < GOAL_MS ? 'met' : 'missed'
    console.log(
      `${asker}: ${growth} for ${(many?.messages ?? 0) / (few?.messages ?? 1)} × the messages; p99 under ${GOAL_MS} ms ${met}`,
    )
  }
}

function printTable(title: string, measured: Measured | undefined): void {
  if (measured === undefined) return
  const line = (name: string, { p50, p99, max }: Times) =>
    console.log(`  ${name.padEnd(36)}${ms(p50).padStart(8)}${ms(p99).padStart(8)}${ms(max).padStart(8)}`)
  console.log(`${title}, ms${'p50'.padStart(46 - title.length - 5)}     p99     max`)
  for (const [kind, times] of Object.entries(measured.kinds)) line(kind, times)
  line('all', measured.all)
}

function machine(): string {
  return `${cpus().length} × ${cpus()[0]?.model ?? arch()}, ${Math.round(totalmem() / 2 ** 30)} GiB, ${platform()}, Node ${process.version}`
}
