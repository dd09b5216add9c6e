import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startPostgres, startRedis } from '@parley/local/services'
import type { Services } from './subjects/subject.ts'

/** A Postgres and a Redis of the benchmark's own, on local disk, with durable commits. */
export async function startServices(): Promise<Services & AsyncDisposable> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-bench-'))
  const log = () => undefined
  await using undo = new AsyncDisposableStack()
  undo.defer(() => rm(folder, { recursive: true, force: true }))
  const postgres = await startPostgres({ dataDir: join(folder, 'postgres'), log, durable: true })
  undo.defer(() => postgres.stop())
  const redis = await startRedis({ dataDir: null, log })
  undo.defer(() => redis.stop())
  const parts = undo.move()
  return { postgresUrl: postgres.url, redisUrl: redis.url, [Symbol.asyncDispose]: () => parts.disposeAsync() }
}
