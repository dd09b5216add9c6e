import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { startPostgres, startStandby } from '@parley/local/services'
import pg from 'pg'
import type { OwnPostgres } from './postgres.ts'

const CATCH_UP_MS = 10_000
const POLL_MS = 20

/** A Postgres standby that follows another server by streaming replication and serves reads. */
export interface TestStandby extends AsyncDisposable {
  readonly url: string
  readonly sql: pg.Pool
  /** Resolves when everything that the primary has committed so far is visible here. */
  caughtUp(): Promise<void>
  /** Pauses replay, not receiving: later commits stay invisible here until `resume`. */
  pause(): Promise<void>
  resume(): Promise<void>
  /** Ends the server like a crash. */
  crash(): Promise<void>
  /** Starts it again at the same address. */
  start(): Promise<void>
  /** Promotes it to a primary, with what it has received so far; resolves when it accepts writes. */
  promote(): Promise<void>
}

/** Starts a standby of `primary` on this machine. Dispose it before its primary. */
export async function standbyOf(primary: OwnPostgres, log: (line: string) => void): Promise<TestStandby> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-standby-'))
  // Postgres may run under a separate account, which needs access.
  await chmod(dataDir, 0o755)
  let server = await startStandby({ primary, dataDir, log })
  const { url, port } = server
  const sql = new pg.Pool({ connectionString: url, max: 2, application_name: 'parley-test' })
  sql.on('error', () => undefined)
  return {
    url,
    sql,
    caughtUp: () => catchUp(primary.sql, sql),
    pause: async () => {
      await sql.query('select pg_wal_replay_pause()')
      await until('paused', async () => {
        const { rows } = await sql.query<{ state: string }>('select pg_get_wal_replay_pause_state() as state')
        return rows[0]?.state === 'paused'
      })
    },
    resume: async () => {
      await sql.query('select pg_wal_replay_resume()')
    },
    crash: async () => {
      server.kill('SIGQUIT')
      await server.exited
    },
    start: async () => {
      server = await startPostgres({ dataDir, port, log, durable: false })
    },
    promote: async () => {
      await sql.query('select pg_promote()')
    },
    [Symbol.asyncDispose]: async () => {
      await sql.end()
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}

async function catchUp(primary: pg.Pool, standby: pg.Pool): Promise<void> {
  const { rows } = await primary.query<{ lsn: string }>('select pg_current_wal_lsn() as lsn')
  await until('level with its primary', async () => {
    const found = await standby.query<{ level: boolean }>('select pg_last_wal_replay_lsn() >= $1::pg_lsn as level', [
      rows[0]?.lsn,
    ])
    return found.rows[0]?.level === true
  })
}

async function until(state: string, holds: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + CATCH_UP_MS
  while (!(await holds())) {
    if (performance.now() > end) throw new Error(`The standby was not ${state} within ${CATCH_UP_MS} ms`)
    await delay(POLL_MS)
  }
}
