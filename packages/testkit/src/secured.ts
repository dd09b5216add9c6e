import { s3Environment, startPgBouncer } from '@parley/local/services'
import { createTestBucket } from './bucket.ts'
import { createTestCertificate } from './certificate.ts'
import type { TestDatabase } from './database.ts'
import { databaseUrl } from './database-names.ts'
import { type OwnPostgres, ownPostgres } from './postgres.ts'
import { redisCluster, type TestRedisCluster } from './redis-cluster.ts'
import { redisTls, tlsFiles, tlsInFront } from './tls.ts'

const log = (line: string) => console.log(line)

/** Starts a PgBouncer in transaction mode in front of a database. `sql` bypasses it. */
export async function throughPgBouncer(
  database: Pick<TestDatabase, 'url' | 'sql'>,
): Promise<Pick<TestDatabase, 'url' | 'sql'> & AsyncDisposable> {
  const pooler = await startPgBouncer({ target: database.url, log })
  return { url: pooler.through(database.url), sql: database.sql, [Symbol.asyncDispose]: () => pooler.stop() }
}

/** A Postgres, a Redis Cluster and an S3 server with TLS. */
export interface SecuredServices extends AsyncDisposable {
  database: Pick<OwnPostgres, 'url' | 'sql'>
  redis: TestRedisCluster
  /** The S3 settings. The processes must trust `caFile`, through NODE_EXTRA_CA_CERTS. */
  env: Record<string, string>
  caFile: string
}

/** Starts them, with passwords that must be escaped in a URL. The caller's process need not trust their certificate. */
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
