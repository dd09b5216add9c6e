import { awaitSchema, migrate, missingMigrations, openDatabase } from '@parley/db'
import { afterEach, expect, it } from 'vitest'
import { adminClient, databaseUrl, uniqueName } from '../src/database-names.ts'
import { providedServices } from '../src/index.ts'

const LAST = 'delete from drizzle.__drizzle_migrations where id = (select max(id) from drizzle.__drizzle_migrations)'

const ends: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end()
})

/** A database without any schema, and a pool on it. */
async function emptyDatabase() {
  const { adminUrl } = providedServices().postgres
  const name = uniqueName('empty')
  const admin = adminClient(adminUrl)
  await admin.connect()
  ends.push(() => admin.end())
  await admin.query(`create database ${name} template template0`)
  ends.push(() => admin.query(`drop database ${name} with (force)`))
  const url = databaseUrl(adminUrl, name)
  const db = openDatabase({ url, max: 2, applicationName: 'parley-test', onError: () => undefined })
  ends.push(() => db.close())
  return { url, db }
}

it('migrates from several places at once: one does it, the others wait for it', async () => {
  const { url, db } = await emptyDatabase()
  await Promise.all([migrate(url), migrate(url), migrate(url), migrate(url)])
  expect(await missingMigrations(db)).toBe(0)
  const { rows } = await db.pool.query(
    'select count(*) as n, count(distinct hash) as different from drizzle.__drizzle_migrations',
  )
  expect(rows[0].n).toBe(rows[0].different)
})

it('says how much of the schema is missing, and that more than is known is fine', async () => {
  const { url, db } = await emptyDatabase()
  const all = await missingMigrations(db)
  expect(all).toBeGreaterThan(5)
  await migrate(url)
  await db.pool.query(LAST)
  expect(await missingMigrations(db)).toBe(1)
  await db.pool.query(`insert into drizzle.__drizzle_migrations (hash, created_at) values ('of a later version', 9e15)`)
  expect(await missingMigrations(db)).toBe(0)
})

it('lets a process wait for the schema', async () => {
  const { url, db } = await emptyDatabase()
  const reasons: string[] = []
  let migrating: Promise<void> | undefined
  await awaitSchema(db, {
    signal: new AbortController().signal,
    onWaiting: (reason) => {
      reasons.push(reason)
      migrating ??= migrate(url)
    },
  })
  await migrating
  expect(reasons[0]).toMatch(/^the database lacks \d+ migrations/)
  expect(await missingMigrations(db)).toBe(0)
})

it('gives up in the end, and at once when the process stops', async () => {
  const { db } = await emptyDatabase()
  const signal = new AbortController().signal
  const onWaiting = () => undefined
  await expect(awaitSchema(db, { signal, onWaiting, boundMs: 1 })).rejects.toThrow(/gave up after .* migrations/)
  await awaitSchema(db, { signal: AbortSignal.abort(), onWaiting })
})
