import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import pg from 'pg'
import { parsePooled } from './named-statements.ts'
import { reasonOf, sqlState } from './pool.ts'
import { requireSettings, withSessionOptions } from './session.ts'

export const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url))
/** An arbitrary number that nothing else uses. Concurrent runs take turns on this lock. */
const ADVISORY_LOCK = 7_275_395_390
/**
 * How long to wait for a lock, and then to pause before the next attempt, in milliseconds. Queries that queue behind our
 * waiting request are blocked too; the pause lets them through.
 */
const LOCK_MS = 2_000
const TURN_MS = 3_000
/** Ten minutes in total. */
const LOCK_ATTEMPTS = 120
/** SQLSTATEs of a lock timeout and of a deadlock. */
const LOCK_FAILURES = new Set(['55P03', '40P01'])

/**
 * Brings the database at `databaseUrl` up to date while it is in use. Does nothing if it already is. Several processes may
 * run this at once. Each migration is its own transaction, so that no locks are held from one to the next. Applied
 * migrations are recorded in the format of drizzle-kit.
 * @param folder holds the migrations; default: this package's
 * @returns the number of migrations applied
 * @throws if the address is a pooler's, since the advisory lock needs a session, or if a lock cannot be acquired in ten minutes
 */
export async function migrate(databaseUrl: string, folder = MIGRATIONS): Promise<number> {
  if (parsePooled(databaseUrl).pooled) {
    throw new Error(
      'Migrations need a direct connection to the database, not a pooler: set MIGRATE_DATABASE_URL to its address',
    )
  }
  const client = new pg.Client({
    connectionString: withSessionOptions(databaseUrl),
    application_name: 'parley-migrate',
  })
  await client.connect()
  try {
    // Timeouts set on the role or database are not meant for us: building an index on a large table may take long.
    await client.query(
      "select set_config(name, '0', false) from pg_settings where name in ('statement_timeout', 'transaction_timeout')",
    )
    await requireSettings(client)
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK])
    // Not `if not exists`: that requires the privilege to create schemas even if the schema exists.
    const { rowCount } = await client.query("select from pg_namespace where nspname = 'drizzle'")
    if (rowCount === 0) await client.query('create schema drizzle')
    await client.query(`
      create table if not exists drizzle.__drizzle_migrations (id serial primary key, hash text not null, created_at bigint);
      set lock_timeout = ${LOCK_MS}`)
    let applied = 0
    for (const migration of readMigrationFiles({ migrationsFolder: folder })) {
      if (await apply(client, migration)) applied++
    }
    return applied
  } finally {
    await client.end()
  }
}

/** Applies one migration. @returns false if it had been applied before */
async function apply(client: pg.Client, { sql, hash, folderMillis }: MigrationMeta): Promise<boolean> {
  const { rowCount } = await client.query('select from drizzle.__drizzle_migrations where created_at >= $1', [
    folderMillis,
  ])
  if (rowCount !== 0) return false
  for (let attempt = 1; ; attempt++) {
    try {
      await client.query('begin')
      for (const statement of sql) await client.query(statement)
      await client.query('insert into drizzle.__drizzle_migrations (hash, created_at) values ($1, $2)', [
        hash,
        folderMillis,
      ])
      await client.query('commit')
      return true
    } catch (error) {
      if (!LOCK_FAILURES.has(sqlState(error) ?? '') || attempt === LOCK_ATTEMPTS) throw error
      await client.query('rollback')
      await delay(TURN_MS)
    }
  }
}

if (import.meta.main) {
  takeNoArguments()
  // As PID 1 of a container, the process ignores signals without a handler. Postgres rolls back the transaction under way.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  try {
    const applied = await migrate(databaseUrlOrExit())
    console.log(`schema: up to date${applied === 0 ? '' : `, after ${applied} migrations`}`)
  } catch (error) {
    console.error(`schema: ${reasonOf(error)}`)
    process.exitCode = 1
  }
}

/** Exits on any argument: a mistyped option must not change a database. */
function takeNoArguments(): void {
  const [word] = process.argv.slice(2)
  if (word === undefined) return
  const usage = 'npm run migrate: brings the schema at MIGRATE_DATABASE_URL (or else DATABASE_URL) up to date'
  if (word === '--help') console.log(usage)
  else console.error(`${word}: unknown argument\n\n${usage}`)
  process.exit(word === '--help' ? 0 : 64)
}

/** Prefers the address that bypasses a pooler: the lock belongs to a session, and a pooler in transaction mode has none. */
function databaseUrlOrExit(): string {
  const variable = process.env.MIGRATE_DATABASE_URL ? 'MIGRATE_DATABASE_URL' : 'DATABASE_URL'
  const url = process.env[variable] || undefined
  if (/^postgres(ql)?:$/.test(URL.parse(url ?? '')?.protocol ?? '')) return url ?? ''
  // Worded as in the other processes (packages/runtime: config.ts); never shows the value.
  console.error(`settings: ${variable} is ${url === undefined ? 'missing' : 'wrong'}: it should be a postgres:// URL`)
  process.exit(78)
}
