import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type S3Address, startPostgres, startS3 } from '@parley/local/services'
import type { Held } from './global-setup.ts'

const log = (line: string) => console.log(line)

/** A Postgres whose data is gone after the run. */
export async function postgresOnThisMachine(tls?: { cert: string; key: string }): Promise<Held<string>> {
  const folder = await mkdtemp(join(tmpdir(), 'parley-test-postgres-'))
  // Under root Postgres has an account of its own, which must get in.
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

/** An S3 server whose objects are gone after the run. */
export async function s3OnThisMachine(): Promise<Held<S3Address>> {
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
