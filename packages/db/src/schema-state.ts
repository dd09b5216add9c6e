import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, reasonOf, sqlState } from './pool.ts'
import { requireSettings, secondsAhead } from './session.ts'

const JOURNAL = new URL('../migrations/meta/_journal.json', import.meta.url)
/** How often the schema is looked at while somebody waits for it, in milliseconds. */
const INTERVAL_MS = 500
/** How far clocks may differ without a word, in seconds: as far as the clock of whoever issues tokens. */
const CLOCK_SECONDS = 5
/** SQLSTATE: no such schema, no such table. migrate() makes both. */
const NEVER_MIGRATED = new Set(['3F000', '42P01'])

/**
 * How many of the migrations that this code knows are missing in the database. A database that has more than it knows is
 * fine: while a new version is rolled out, the old one runs on the new schema.
 */
export async function missingMigrations(db: Pick<Database, 'pool'>): Promise<number> {
  const journal: { entries: { when: number }[] } = JSON.parse(await readFile(JOURNAL, 'utf8'))
  const applied = await lastApplied(db)
  return journal.entries.filter(({ when }) => when > applied).length
}

/** What is younger than the youngest that is noted is applied; see migrate(). */
async function lastApplied({ pool }: Pick<Database, 'pool'>): Promise<number> {
  try {
    const { rows } = await pool.query<{ last: number | null }>(
      'select max(created_at) as last from drizzle.__drizzle_migrations',
    )
    return rows[0]?.last ?? 0
  } catch (error) {
    if (NEVER_MIGRATED.has(sqlState(error) ?? '')) return 0
    throw error
  }
}

export interface AwaitSchemaOptions {
  /** Ends the waiting; the promise then resolves. */
  signal: AbortSignal
  /** Called with the reason when there is something to wait for, and again when the reason changes. */
  onWaiting: (reason: string) => void
  /** Called with how many seconds this machine's clock is ahead of the database's, where that is more than {@link CLOCK_SECONDS}. */
  onClock?: (seconds: number) => void
  /** Default 60 s. */
  boundMs?: number
}

/**
 * Resolves when the database has the schema that this code was written for. Migrations are a job of their own, and pods
 * may well be started beside it.
 * @throws when it has not within the bound; whoever started the process may start it again. Where it has, and is set so that
 *   nothing could be promised
 */
export async function awaitSchema(db: Pick<Database, 'pool'>, options: AwaitSchemaOptions): Promise<void> {
  const { signal, onWaiting, onClock, boundMs = 60_000 } = options
  const end = performance.now() + boundMs
  for (let told = ''; ; ) {
    const reason = await whatIsMissing(db)
    if (signal.aborted) return
    if (reason === undefined) {
      await requireSettings(db.pool)
      const seconds = await secondsAhead(db.pool)
      if (Math.abs(seconds) > CLOCK_SECONDS) onClock?.(Math.round(seconds))
      return
    }
    if (performance.now() >= end) throw new Error(`gave up after ${boundMs / 1_000} s: ${reason}`)
    if (reason !== told) onWaiting(reason)
    told = reason
    await delay(INTERVAL_MS, undefined, { signal }).catch(() => undefined)
  }
}

async function whatIsMissing(db: Pick<Database, 'pool'>): Promise<string | undefined> {
  try {
    const missing = await missingMigrations(db)
    return missing === 0 ? undefined : `the database lacks ${missing} migrations (npm run migrate)`
  } catch (error) {
    return `the database cannot be asked for its schema: ${reasonOf(error)}`
  }
}
