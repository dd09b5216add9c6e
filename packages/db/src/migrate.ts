import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { type MigrationMeta, readMigrationFiles } from 'drizzle-orm/migrator'
import pg from 'pg'
import { parsePooled } from './named-statements.ts'
import { reasonOf, sqlState } from './pool.ts'
import { requireSettings, withSessionOptions } from './session.ts'

export const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url))
/** Any number that nobody else uses: two migrations at once wait for each other on it. */
const ADVISORY_LOCK = 7_275_395_390
/** A lock is waited for this long, as everybody who comes after us waits as well; then they have a turn. Milliseconds. */
const LOCK_MS = 2_000
const TURN_MS = 3_000
/** Ten minutes in all. */
const LOCK_ATTEMPTS = 120
/** SQLSTATE: the lock was not to be had in time, or not without a circle of those who wait. */
const LOCK_NOT_HAD = new Set(['55P03', '40P01'])

/**
 * Brings the database at `databaseUrl` up to date, while it is in use. Does nothing where it is; safe to run from several places
 * at once. Each migration is a transaction of its own, so that the locks of one are not held through the next; what is applied
 * is noted as drizzle-kit does.
 * @param folder of the migrations: ours
 * @returns how many it has applied
 * @throws when the address is a pooler's: the lock needs a session of its own. When somebody holds a lock for ten minutes
 */
export async function migrate(databaseUrl: string, folder = MIGRATIONS): Promise<number> {
  if (parsePooled(databaseUrl).pooled) {
    throw new Error('Migrations need the database itself and not a pooler: set MIGRATE_DATABASE_URL to its address')
  }
  const client = new pg.Client({
    connectionString: withSessionOptions(databaseUrl),
    application_name: 'parley-migrate',
  })
  await client.connect()
  try {
    // What the role or the database sets is for others: an index of a large table takes its time, and so does waiting for it.
    await client.query(
      "select set_config(name, '0', false) from pg_settings where name in ('statement_timeout', 'transaction_timeout')",
    )
    await requireSettings(client)
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK])
    // `if not exists` would not do: the right to make schemas is asked for also where there is one.
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

/** One migration, unless it is applied: false then. */
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
      if (!LOCK_NOT_HAD.has(sqlState(error) ?? '') || attempt === LOCK_ATTEMPTS) throw error
      await client.query('rollback')
      await delay(TURN_MS)
    }
  }
}

if (import.meta.main) {
  takeNoArguments()
  // Process 1 of a container gets only signals that somebody handles. What is under way Postgres takes back.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  try {
    const applied = await migrate(databaseUrlOrExit())
    console.log(`schema: up to date${applied === 0 ? '' : `, after ${applied} migrations`}`)
  } catch (error) {
    console.error(`schema: ${reasonOf(error)}`)
    process.exitCode = 1
  }
}

/** A word that is not understood is no reason to change a database. */
function takeNoArguments(): void {
  const [word] = process.argv.slice(2)
  if (word === undefined) return
  const usage = 'npm run migrate: brings the schema at MIGRATE_DATABASE_URL, else at DATABASE_URL, up to date'
  if (word === '--help') console.log(usage)
  else console.error(`${word}: not understood\n\n${usage}`)
  process.exit(word === '--help' ? 0 : 64)
}

/** Past a pooler: the lock belongs to a session, and a pooler in transaction mode has none. */
function databaseUrlOrExit(): string {
  const variable = process.env.MIGRATE_DATABASE_URL ? 'MIGRATE_DATABASE_URL' : 'DATABASE_URL'
  const url = process.env[variable] || undefined
  if (/^postgres(ql)?:$/.test(URL.parse(url ?? '')?.protocol ?? '')) return url ?? ''
  // As the other processes say it (packages/runtime: config.ts), and never the value.
  console.error(`settings: ${variable} is ${url === undefined ? 'missing' : 'wrong'}: it should be a postgres:// URL`)
  process.exit(78)
}
