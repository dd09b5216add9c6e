import { execFile } from 'node:child_process'
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Log } from './keep.ts'
import { type PostgresService, startPostgres } from './postgres.ts'

const run = promisify(execFile)
const SLOT = 'standby'

export interface StandbyOptions {
  /** The server to follow, and its data folder on this machine. */
  primary: { url: string; dataDir: string }
  /** Made for the standby; must not be there yet. */
  dataDir: string
  log: Log
}

/**
 * Starts a Postgres that follows another by streaming replication and can be read. It is made of a copy of the running
 * server's files, as the manual has it for those without pg_basebackup, which the embedded binaries lack.
 * @see https://www.postgresql.org/docs/18/continuous-archiving.html#BACKUP-LOWLEVEL-BASE-BACKUP
 */
export async function startStandby({ primary, dataDir, log }: StandbyOptions): Promise<PostgresService> {
  const pgdata = join(dataDir, 'data')
  await mkdir(dataDir, { recursive: true })
  const client = new pg.Client({ connectionString: primary.url })
  await client.connect()
  try {
    await client.query('select pg_create_physical_replication_slot($1, true)', [SLOT])
    await client.query("select pg_backup_start('standby', true)")
    // -a keeps the owner: the server runs under an account of its own.
    await run('cp', ['-a', join(primary.dataDir, 'data'), pgdata])
    await run('cp', ['-a', join(primary.dataDir, 'password'), join(dataDir, 'password')])
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    await writeFile(join(pgdata, 'backup_label'), rows[0]?.labelfile ?? '')
  } finally {
    await client.end()
  }
  await rm(join(pgdata, 'postmaster.pid'), { force: true })
  const { hostname, port, username, password } = new URL(primary.url)
  const address = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`
  const configuration = join(pgdata, 'postgresql.auto.conf')
  const kept = await readFile(configuration, 'utf8')
  await writeFile(configuration, `${kept}\nprimary_conninfo = '${address}'\nprimary_slot_name = '${SLOT}'\n`)
  await writeFile(join(pgdata, 'standby.signal'), '')
  return startPostgres({ dataDir, log, durable: false })
}
