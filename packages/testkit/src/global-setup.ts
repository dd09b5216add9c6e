import { migrate } from '@parley/db'
import { redisProgram, type S3Address } from '@parley/local/services'
import type { TestProject } from 'vitest/node'
import { adminClient, databaseUrl, uniqueName } from './database-names.ts'
import { postgresOnThisMachine, s3OnThisMachine } from './local-services.ts'

/** The same sorting and letter case on every server, whatever its machine has; Postgres 17 and later know it. */
const LOCALE =
  "template template0 encoding 'UTF8' locale_provider builtin builtin_locale 'C.UTF-8' lc_collate 'C' lc_ctype 'C'"

/** A started service, and how to end it. */
export interface Held<T> {
  value: T
  stop(): Promise<void>
}

/**
 * Vitest's global set-up: starts Postgres and S3 once for the run and makes the template database, on which the
 * migrations run once. `TEST_DATABASE_URL` (or `DATABASE_URL`) names a Postgres to use instead, whose user may create
 * databases; only databases made here are touched. `TEST_REDIS_URL` names a Redis to use instead, which is emptied.
 * `TEST_SERVICES=containers` runs the services with testcontainers.
 */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const containers = process.env.TEST_SERVICES === 'containers'
  const ownRedis = !containers && process.env.TEST_REDIS_URL === undefined
  // Test files start their own Redis. Should one have to be installed, then once and before they all try.
  if (ownRedis) await redisProgram((line) => console.log(line))
  const [postgres, s3] = await Promise.all([postgresFor(containers), s3For(containers)])
  const template = uniqueName('template')
  const admin = adminClient(postgres.value)
  await admin.connect()
  await admin.query(`create database ${template} ${LOCALE}`)
  await migrate(databaseUrl(postgres.value, template))
  project.provide('parley', {
    mode: containers ? 'containers' : 'local',
    postgres: { adminUrl: postgres.value, template },
    sharedRedisUrl: process.env.TEST_REDIS_URL ?? null,
    s3: s3.value,
  })
  return async () => {
    await admin.query(`drop database if exists ${template} with (force)`)
    await admin.end()
    await Promise.all([postgres.stop(), s3.stop()])
  }
}

async function postgresFor(containers: boolean): Promise<Held<string>> {
  const given = process.env.TEST_DATABASE_URL ?? process.env.DATABASE_URL
  if (given) return { value: given, stop: async () => undefined }
  if (!containers) return postgresOnThisMachine()
  // Loaded only where it is used: testcontainers is large.
  const { postgresInContainer } = await import('./containers.ts')
  return postgresInContainer()
}

async function s3For(containers: boolean): Promise<Held<S3Address>> {
  if (!containers) return s3OnThisMachine()
  const { s3InContainer } = await import('./containers.ts')
  return s3InContainer()
}
