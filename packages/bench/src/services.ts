import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, startRedis } from '@parley/local/services'
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
