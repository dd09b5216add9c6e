import { type Database, openDatabase } from '@parley/db'
import { createTestDatabase, type TestDatabase } from '@parley/testkit'
import { afterAll } from 'vitest'

/**
 * A migrated database for the test file that asks, and a pool on it, `messaging-test` in pg_stat_activity. Both are gone when the
 * file's tests are over.
 * @param max connections of the pool
 */
export async function fileDatabase(max: number): Promise<{ database: TestDatabase; db: Database }> {
  const database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max, applicationName: 'messaging-test', connectTimeoutMs: 20_000 })
  afterAll(async () => {
    await db.close()
    await database[Symbol.asyncDispose]()
  })
  return { database, db }
}
