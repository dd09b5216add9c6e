import { readFile } from 'node:fs/promises'
import { setTimeout as delay } from 'node:timers/promises'
import { type Database, reasonOf, sqlState } from './pool.ts'
import { requireSettings, secondsAhead } from './session.ts'

const JOURNAL = new URL('../migrations/meta/_journal.json', import.meta.url)
/** How often the schema is checked while waiting for it, in milliseconds. */
const INTERVAL_MS = 500
/** How far the clocks may differ without a warning, in seconds: the same as for the clock of a token's issuer. */
const CLOCK_SECONDS = 5
/** SQLSTATEs of a missing schema and a missing table, both of which migrate() creates. */
const NEVER_MIGRATED = new Set(['3F000', '42P01'])

/**
 * Counts the migrations that this code knows and the database lacks. A database may have more: during a rolling upgrade, the
 * old version runs on the new schema.
 */
export async function missingMigrations(db: Pick<Database, 'pool'>): Promise<number> {
  const journal: { entries: { when: number }[] } = JSON.parse(await readFile(JOURNAL, 'utf8'))
  const applied = await lastApplied(db)
  return journal.entries.filter(({ when }) => when > applied).length
}

/** Returns when the newest recorded migration was made; all older ones are applied as well, see migrate(). 0 for none. */
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
  /** Stops the wait; the promise then resolves. */
  signal: AbortSignal
  /** Gets a warning for each new reason to wait, and if the clocks differ by more than {@link CLOCK_SECONDS}. */
  logger: { warn(fields: object, message: string): void }
  /** The longest wait, in milliseconds. Default 60,000. */
  boundMs?: number
}

/**
 * Waits until the database has the schema that this code needs. Migrations run as a separate job, and pods may start at the
 * same time as that job.
 * @throws if the schema is not there in time (an orchestrator may restart the process), or if the database's settings break our
 *   guarantees (see requireSettings())
 */
export async function awaitSchema(db: Pick<Database, 'pool'>, options: AwaitSchemaOptions): Promise<void> {
  const { signal, logger, boundMs = 60_000 } = options
  const end = performance.now() + boundMs
  for (let reported = ''; ; ) {
    const reason = await whatIsMissing(db)
    if (signal.aborted) return
    if (reason === undefined) {
      await requireSettings(db.pool)
      const ahead = await secondsAhead(db.pool)
      if (Math.abs(ahead) > CLOCK_SECONDS) {
        logger.warn({ secondsAhead: Math.round(ahead) }, 'the clocks of this machine and of Postgres differ')
      }
      return
    }
    if (performance.now() >= end) throw new Error(`gave up after ${boundMs / 1_000} s: ${reason}`)
    if (reason !== reported) logger.warn({ reason }, 'waiting for the schema')
    reported = reason
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
