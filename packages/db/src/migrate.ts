import { fileURLToPath } from 'node:url'
import { drizzle } from 'drizzle-orm/node-postgres'
import { migrate as runMigrations } from 'drizzle-orm/node-postgres/migrator'
import pg from 'pg'
import { parsePooled } from './named-statements.ts'

export const MIGRATIONS = fileURLToPath(new URL('../migrations', import.meta.url))
/** Any number that nobody else uses: two migrations at once wait for each other on it. */
const ADVISORY_LOCK = 7_275_395_390

/**
 * Brings the database at `databaseUrl` up to date. Does nothing where it is; safe to run from several places at once.
 * @param folder of the migrations: ours
 * @throws when the address is a pooler's: the lock needs a session of its own
 */
export async function migrate(databaseUrl: string, folder = MIGRATIONS): Promise<void> {
  if (parsePooled(databaseUrl).pooled) {
    throw new Error('Migrations need the database itself and not a pooler: set MIGRATE_DATABASE_URL to its address')
  }
  const client = new pg.Client({ connectionString: databaseUrl, application_name: 'parley-migrate' })
  await client.connect()
  try {
    await client.query('select pg_advisory_lock($1)', [ADVISORY_LOCK])
    await runMigrations(drizzle({ client }), { migrationsFolder: folder })
  } finally {
    await client.end()
  }
}

if (import.meta.main) {
  // Past a pooler: the lock belongs to a session, and a pooler in transaction mode has none.
  const url = process.env.MIGRATE_DATABASE_URL || process.env.DATABASE_URL
  if (url === undefined || url === '') {
    console.error(
      'DATABASE_URL: must be the address of a Postgres database, such as postgres://user:password@host/name',
    )
    process.exit(78)
  }
  await migrate(url)
}
