import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, startRedis } from '@parley/local/services'
import pg from 'pg'
import { StatementLog } from './statement-log.ts'
import type { Services } from './subjects/subject.ts'

export interface BenchServices extends Services, AsyncDisposable {
  /** Counts the statements that Postgres is sent. */
  statements: StatementLog
}

/** A Postgres and a Redis of the benchmark's own, on local disk, with durable commits. */
export async function startServices(): Promise<BenchServices> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'))
  const log = () => undefined
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  const holder: { statements?: StatementLog } = {}
  const onLine = (line: string) => holder.statements?.onLine(line)
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), log, durable: true, onLine })
  undo.defer(() => postgres.stop())
  await growLog(postgres.url)
  const redis = await startRedis({ dataDir: null, log })
  undo.defer(() => redis.stop())
  const statements = new StatementLog(postgres.url)
  holder.statements = statements
  const parts = undo.move()
  return {
    postgresUrl: postgres.url,
    redisUrl: redis.url,
    statements,
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}

/** Segments of the write-ahead log, of 16 MB each: more than any scenario writes between two checkpoints. */
const LOG_SEGMENTS = 40

/**
 * Has Postgres make the segments of its write-ahead log that a server which has run for a while writes over again. A new one
 * is filled with zeros and synced while every commit waits: 60 to 190 ms here, several times in a scenario.
 */
async function growLog(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`alter system set min_wal_size = '1GB'`)
    await client.query('select pg_reload_conf()')
    for (let segment = 0; segment < LOG_SEGMENTS; segment++) {
      await client.query(`select pg_logical_emit_message(false, 'bench', 'x')`)
      await client.query('select pg_switch_wal()')
    }
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
