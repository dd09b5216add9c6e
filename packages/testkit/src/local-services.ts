import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type S3Address, startPostgres, startS3 } from '@parley/local/services'
import type { StartedService } from './global-setup.ts'

const log = (line: string) => console.log(line)

/** Starts a Postgres whose data is deleted after the run. */
export async function postgresOnThisMachine(tls?: { cert: string; key: string }): Promise<StartedService<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-postgres-'))
  // As root, Postgres runs under a separate account, which needs access.
  await chmod(folder, 0o755)
  const server = await startPostgres({ dataDir: folder, log, durable: false, tls })
  return {
    value: server.url,
    stop: async () => {
      await server.stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

/** Starts an S3 server whose objects are deleted after the run. */
export async function s3OnThisMachine(): Promise<StartedService<S3Address>> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-s3-'))
  const { endpoint, region, bucket, accessKeyId, secretAccessKey, stop } = await startS3({ dataDir: folder, log })
  return {
    value: { endpoint, region, bucket, accessKeyId, secretAccessKey },
    stop: async () => {
      await stop()
      await rm(folder, { recursive: true, force: true })
    },
  }
}
