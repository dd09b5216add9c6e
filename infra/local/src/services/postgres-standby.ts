import { execFile } from 'node:child_process'
import { chown, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Log } from './keep.ts'
import { type PostgresService, startPostgres } from './postgres.ts'

const run = promisify(execFile)
const SLOT = 'standby'

export interface StandbyOptions {
  /** The server to replicate, and its data folder on this machine. */
  primary: { url: string; dataDir: string }
  /** Created for the standby; must not exist yet. */
  dataDir: string
  log: Log
}

/**
 * Starts a hot standby that follows another Postgres by streaming replication. It starts from a low-level base backup of the
 * running server, because the embedded binaries lack pg_basebackup.
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
    // -a keeps the owner: the server may run under another account.
    await run('cp', ['-a', join(primary.dataDir, 'data'), pgdata])
    await run('cp', ['-a', join(primary.dataDir, 'password'), join(dataDir, 'password')])
    const { rows } = await client.query<{ labelfile: string }>('select labelfile from pg_backup_stop(false)')
    await writeAsOwner(pgdata, 'backup_label', rows[0]?.labelfile ?? '')
  } finally {
    await client.end()
  }
  // These belong to the primary.
  await rm(join(pgdata, 'postmaster.pid'), { force: true })
  await rm(join(pgdata, 'pg_replslot', SLOT), { recursive: true, force: true })
  const { hostname, port, username, password } = new URL(primary.url)
  const address = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`
  const configuration = join(pgdata, 'postgresql.auto.conf')
  const kept = await readFile(configuration, 'utf8')
  await writeFile(configuration, `${kept}\nprimary_conninfo = '${address}'\nprimary_slot_name = '${SLOT}'\n`)
  await writeAsOwner(pgdata, 'standby.signal', '')
  return startPostgres({ dataDir, log, durable: false })
}

/** Writes a file owned by the folder's owner: the server, which runs as that account, removes or renames it in recovery. */
async function writeAsOwner(folder: string, name: string, content: string): Promise<void> {
  const path = join(folder, name)
  const { uid, gid } = await stat(folder)
  await writeFile(path, content, { mode: 0o600 })
  await chown(path, uid, gid)
}
