import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { migrate } from '@parley/db'
import { startPostgres } from '@parley/local/services'
import pg from 'pg'
import type { TestDatabase } from './database.ts'

/** A Postgres server of one's own with a migrated database: it may be taken away and brought back. */
export interface OwnPostgres extends TestDatabase {
  /** The server's files, for whoever copies them. */
  readonly dataDir: string
  /** Ends the server in an orderly way; sessions are cut. */
  stop(): Promise<void>
  /** Ends the server as a crash would: the next start recovers from its log. */
  crash(): Promise<void>
  /** Brings it back on the same address, with its data. */
  start(): Promise<void>
}

/** Starts a durable server (with fsync) on this machine; needs no Vitest. Disposing removes its data. */
export async function ownPostgres(
  log: (line: string) => void,
  tls?: { cert: string; key: string },
): Promise<OwnPostgres> {
  const dataDir = await mkdtemp(join(tmpdir(), 'parley-own-postgres-'))
  // Postgres may run under an account of its own, which has to get in.
  await chmod(dataDir, 0o755)
  let server = await startPostgres({ dataDir, log, durable: true, tls })
  const { url, port } = server
  await migrate(url)
  const sql = new pg.Pool({ connectionString: url, max: 5, application_name: 'parley-test' })
  // Connections are cut whenever the server is.
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
