import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, startRedis } from '@parley/local/services'
import pg from 'pg'
import { StatementLog } from './statement-log.ts'
import type { Services } from './subjects/subject.ts'

export interface BenchServices extends Services, AsyncDisposable {
  /** Counts the statements that Postgres receives. */
  statements: StatementLog
}

/** Starts a Postgres and a Redis for the benchmark, on local disk, with durable commits. */
export async function startServices(): Promise<BenchServices> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'))
  const log = () => undefined
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  const holder: { statements?: StatementLog } = {}
  const onLine = (line: string) => holder.statements?.onLine(line)
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), log, durable: true, onLine })
  undo.defer(() => postgres.stop())
  await preallocateWal(postgres.url)
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

/** WAL segments of 16 MB each: more than any scenario writes between two checkpoints. */
const WAL_SEGMENTS = 40

/**
 * Makes Postgres allocate WAL segments in advance, like a server that has run for a while and recycles them. Creating one means
 * filling it with zeros and syncing it while every commit waits: 60 to 190 ms here, several times per scenario.
 */
async function preallocateWal(url: string): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    await client.query(`alter system set min_wal_size = '1GB'`)
    await client.query('select pg_reload_conf()')
    for (let segment = 0; segment < WAL_SEGMENTS; segment++) {
      await client.query(`select pg_logical_emit_message(false, 'bench', 'x')`)
      await client.query('select pg_switch_wal()')
    }
    await client.query('checkpoint')
  } finally {
    await client.end()
  }
}
