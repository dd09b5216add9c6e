import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '@parley/db'
import { startPostgres } from '@parley/local/services'
import pg from 'pg'
import type { TestDatabase } from './database.ts'

/** A Postgres server for one test with a migrated database, which the test may stop and start. */
export interface OwnPostgres extends TestDatabase {
  /** The server's data directory, for copying it. */
  readonly dataDir: string
  /** Stops the server in an orderly way; sessions are terminated. */
  stop(): Promise<void>
  /** Ends the server like a crash: the next start recovers from the WAL. */
  crash(): Promise<void>
  /** Starts it again at the same address with its data. */
  start(): Promise<void>
}

/** Starts a durable server (with fsync) on this machine; works outside Vitest. Disposing deletes its data. */
export async function ownPostgres(
  log: (line: string) => void,
  tls?: { cert: string; key: string },
): Promise<OwnPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-own-postgres-'))
  // Postgres may run under a separate account, which needs access.
  await chmod(dataDir, 0o755)
  let server = await startPostgres({ dataDir, log, durable: true, tls })
  const { url, port } = server
  await migrate(url)
  const sql = new pg.Pool({ connectionString: url, max: 5, application_name: 'parley-test' })
  // Connections break whenever the server stops.
  sql.on('error', () => undefined)
  return {
    url,
    sql,
    dataDir,
    stop: () => server.stop(),
    crash: async () => {
      server.kill('SIGQUIT')
      await server.exited
    },
    start: async () => {
      server = await startPostgres({ dataDir, port, log, durable: true, tls })
    },
    [Symbol.asyncDispose]: async () => {
      await sql.end()
      await server.stop()
      await rm(dataDir, { recursive: true, force: true })
    },
  }
}
