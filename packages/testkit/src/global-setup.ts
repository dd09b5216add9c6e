import { tmpdir } from 'node:os'
import { migrate } from '@parley/db'
import { redisProgram, type S3Address, startPgBouncer } from '@parley/local/services'
import type { TestProject } from 'vitest/node'
import { createTestCertificate } from './certificate.ts'
import { adminClient, databaseUrl, uniqueName } from './database-names.ts'
import { postgresOnThisMachine, s3OnThisMachine } from './local-services.ts'
import { chosenProfile, type Profile } from './profiles.ts'
import { openRunFolder } from './run-folder.ts'
import { tlsFiles, tlsInFront } from './tls.ts'

/** The same collation and case mapping on every server, independent of the machine; requires Postgres 17. */
const LOCALE =
  "template template0 encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' lc_collate 'C' lc_ctype 'C'"

/** A started service. */
export interface StartedService<T> {
  value: T
  stop(): Promise<void>
}

/**
 * Vitest's global setup: starts Postgres and S3 once for the run, and creates and migrates the template database.
 * `TEST_DATABASE_URL` (or `DATABASE_URL`) selects an existing Postgres, whose user must be allowed to create databases; only
 * databases created here are touched. `TEST_REDIS_URL` selects an existing Redis, which is emptied.
 * `TEST_SERVICES=containers` runs the services with testcontainers. `TEST_PROFILE` is one of profiles.ts.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const containers = process.env.TEST_SERVICES === 'containers'
  const profile = chosenProfile()
  if (profile !== 'plain' && (containers || process.env.TEST_REDIS_URL !== undefined)) {
    throw new Error('TEST_PROFILE starts its own services: it cannot be combined with TEST_SERVICES or TEST_REDIS_URL')
  }
  const ownRedis = !containers && process.env.TEST_REDIS_URL === undefined
  // Test files start their own Redis. If it must be installed, do that once, before they all try.
  if (ownRedis) await redisProgram((line) => console.log(line))
  await using undo = new AsyncDisposableStack()
  // All processes of the run take their temporary folder from TMPDIR.
  const folder = await openRunFolder(tmpdir())
  undo.defer(() => folder.stop())
  process.env.TMPDIR = folder.value
  const tls = profile === 'tls' ? await certificate(undo) : null
  const [postgres, s3] = await Promise.all([postgresFor(containers, tls ?? undefined), s3For(containers)])
  undo.defer(() => postgres.stop())
  undo.defer(() => s3.stop())
  const template = uniqueName('template')
  const admin = adminClient(postgres.value)
  await admin.connect()
  undo.defer(async () => {
    await admin.query(`drop database if exists ${template} with (force)`)
    await admin.end()
  })
  await admin.query(`create database ${template} ${LOCALE}`)
  await migrate(databaseUrl(postgres.value, template))
  const clientUrl = await clientAddress(profile, postgres.value, undo)
  project.provide('parley', {
    mode: containers ? 'containers' : 'local',
    profile,
    postgres: { adminUrl: postgres.value, clientUrl, template },
    sharedRedisUrl: process.env.TEST_REDIS_URL ?? null,
    s3: tls === null ? s3.value : plainAddress(undo.use(await tlsInFront(s3.value, tls))),
    tls: tls && { certFile: tls.certFile, keyFile: tls.keyFile, caFile: tls.caFile },
  })
  const parts = undo.move()
  return () => parts.disposeAsync()
}

/** Creates the certificate before the test processes start, since Node reads its trusted certificates at startup. */
async function certificate(undo: AsyncDisposableStack) {
  const made = undo.use(await createTestCertificate())
  const files = undo.use(await tlsFiles(made))
  process.env.NODE_EXTRA_CA_CERTS = made.caFile
  return { cert: made.cert, key: made.key, caFile: made.caFile, certFile: files.certFile, keyFile: files.keyFile }
}

/** Drops what cannot be serialized for the test processes. */
function plainAddress({ endpoint, region, bucket, accessKeyId, secretAccessKey }: S3Address): S3Address {
  return { endpoint, region, bucket, accessKeyId, secretAccessKey }
}

/** Returns the address by which the apps reach the database in this profile. */
async function clientAddress(profile: Profile, real: string, undo: AsyncDisposableStack): Promise<string> {
  if (profile === 'pgbouncer') {
    const pooler = await startPgBouncer({ target: real, log: (line) => console.log(line) })
    undo.defer(() => pooler.stop())
    return pooler.through(real)
  }
  if (profile !== 'tls') return real
  const address = new URL(real)
  address.searchParams.set('sslmode', 'verify-full')
  return address.href
}

async function postgresFor(containers: boolean, tls?: { cert: string; key: string }): Promise<StartedService<string>> {
  const given = process.env.TEST_DATABASE_URL ?? process.env.DATABASE_URL
  if (given && tls === undefined) return { value: given, stop: async () => undefined }
  if (!containers) return postgresOnThisMachine(tls)
  // Imported on demand: testcontainers is large.
  const { postgresInContainer } = await import('./containers.ts')
  return postgresInContainer()
}

async function s3For(containers: boolean): Promise<StartedService<S3Address>> {
  if (!containers) return s3OnThisMachine()
  const { s3InContainer } = await import('./containers.ts')
  return s3InContainer()
}
