import { execFile } from 'node:child_process'
import { chown, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { installFromDebian } from './debian.ts'
import { keepUntilReady, type Log, type Running } from './keep.ts'
import { freePort } from './ports.ts'
import { postgresAccount } from './postgres-account.ts'

const run = promisify(execFile)
const START_BOUND_MS = 15_000
/** Debian installs it in /usr/sbin, which is usually on root's PATH only. */
const PLACES = ['pgbouncer', '/usr/sbin/pgbouncer']

/** A running PgBouncer in transaction mode. */
export interface PgBouncerService extends Running {
  readonly port: number
  /** Returns the URL of the same database, with the same user and password, through this PgBouncer. */
  through(url: string): string
}

export interface PgBouncerOptions {
  /** The URL of a Postgres server: any of its databases, and the user that clients log in as. */
  target: string
  /** Connections to the server per database. Default 10. */
  poolSize?: number
  log: Log
}

let found: Promise<string> | undefined

/** Finds PgBouncer, or installs Debian's package (as root only). Rejects with advice if it cannot. The result is cached. */
export function pgBouncerProgram(log: Log): Promise<string> {
  found ??= findOrGet(log)
  return found
}

async function findOrGet(log: Log): Promise<string> {
  const here = await onPath()
  if (here !== undefined) return here
  await installFromDebian('pgbouncer', log)
  const installed = await onPath()
  if (installed !== undefined) return installed
  throw new Error('No PgBouncer found. Put pgbouncer on the PATH; on Debian or Ubuntu: apt-get install pgbouncer')
}

async function onPath(): Promise<string | undefined> {
  for (const place of PLACES) {
    const works = await run(place, ['--version']).then(
      () => true,
      () => false,
    )
    if (works) return place
  }
  return undefined
}

/** Starts a PgBouncer in transaction mode on the loopback address, in front of every database of a server. */
export async function startPgBouncer({ target, poolSize = 10, log }: PgBouncerOptions): Promise<PgBouncerService> {
  const program = await pgBouncerProgram(log)
  const folder = await mkdtemp(join(tmpdir(), 'parley-pgbouncer-'))
  const port = await freePort()
  // Like Postgres, it refuses to run as root.
  const { owner } = await postgresAccount([], log)
  const files = await configure(folder, new URL(target), port, poolSize)
  if (owner) for (const file of [folder, ...files]) await chown(file, owner.uid, owner.gid)
  const server = await keepUntilReady({
    command: program,
    args: [join(folder, 'pgbouncer.ini')],
    cwd: '/',
    ...owner,
    ready: 'process up',
    boundMs: START_BOUND_MS,
  })
  if (server instanceof Error) throw new Error(`PgBouncer did not start:\n${server.message}`)
  return {
    ...server,
    port,
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
    through: (url) => {
      const address = new URL(url)
      address.host = `127.0.0.1:${port}`
      address.searchParams.set('pgbouncer', 'true')
      return address.href
    },
  }
}

async function configure(folder: string, target: URL, port: number, poolSize: number): Promise<string[]> {
  const users = join(folder, 'users.txt')
  const quoted = (text: string) => `"${decodeURIComponent(text).replaceAll('"', '""')}"`
  await writeFile(users, `${quoted(target.username)} ${quoted(target.password)}\n`, { mode: 0o600 })
  const settings = [
    '[databases]',
    `* = host=${target.hostname} port=${target.port || 5432}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = scram-sha-256',
    `auth_file = ${users}`,
    'pool_mode = transaction',
    `default_pool_size = ${poolSize}`,
    // In seconds, as recommended in docs/OPERATIONS.md: by default, statements wait two minutes for a Postgres that is away, and
    // PgBouncer retries it only after 15 s.
    'query_wait_timeout = 2',
    'server_login_retry = 1',
    'max_client_conn = 1000',
  ]
  const ini = join(folder, 'pgbouncer.ini')
  await writeFile(ini, `${settings.join('\n')}\n`, { mode: 0o600 })
  return [users, ini]
}
