import { s3Environment, startPgBouncer } from '@parley/local/services'
import { createTestBucket } from './bucket.ts'
import { createTestCertificate } from './certificate.ts'
import type { TestDatabase } from './database.ts'
import { databaseUrl } from './database-names.ts'
import { type OwnPostgres, ownPostgres } from './postgres.ts'
import { redisCluster, type TestRedisCluster } from './redis-cluster.ts'
import { redisTls, tlsFiles, tlsInFront } from './tls.ts'

const log = (line: string) => console.log(line)

/** A database by way of a PgBouncer of its own, in transaction mode. `sql` goes past it. */
export async function throughPgBouncer(
  database: Pick<TestDatabase, 'url' | 'sql'>,
): Promise<Pick<TestDatabase, 'url' | 'sql'> & AsyncDisposable> {
  const pooler = await startPgBouncer({ target: database.url, log })
  return { url: pooler.through(database.url), sql: database.sql, [Symbol.asyncDispose]: () => pooler.stop() }
}

/** A Postgres, a Redis Cluster and an S3 that speak TLS only, or to whom the addresses say so. */
export interface SecuredServices extends AsyncDisposable {
  database: Pick<OwnPostgres, 'url' | 'sql'>
  redis: TestRedisCluster
  /** The S3 server's address, and its certificate's for NODE_EXTRA_CA_CERTS. */
  env: Record<string, string>
  caFile: string
}

/** Starts them, with passwords that must be written otherwise in an address. The caller's process needs not trust them. */
export async function securedServices(): Promise<SecuredServices> {
  await using undo = new AsyncDisposableStack()
  const certificate = undo.use(await createTestCertificate())
  const files = undo.use(await tlsFiles(certificate))
  const [postgres, redis, bucket] = await Promise.all([
    ownPostgres(log, certificate),
    redisCluster({ tls: redisTls({ ...files, ca: certificate.cert }) }),
    createTestBucket(),
  ])
  undo.use(postgres)
  undo.use(redis)
  if (bucket === null) throw new Error('This run has no S3 server')
  const s3 = undo.use(await tlsInFront(bucket, certificate))
  const url = new URL(databaseUrl(postgres.url, 'parley'))
  url.searchParams.set('sslmode', 'verify-full')
  const parts = undo.move()
  return {
    database: { url: url.href, sql: postgres.sql },
    redis,
    caFile: certificate.caFile,
    env: s3Environment(s3),
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  }
}
