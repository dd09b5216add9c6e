import { type Database, openDatabase } from '@parley/db'
import { createTestDatabase, type TestDatabase } from '@parley/testkit'
import { afterAll } from 'vitest'

/**
 * Creates a migrated database for the calling test file, and a pool on it (`messaging-test` in pg_stat_activity). Both are
 * removed after the tests of the file.
 * @param max maximum number of connections of the pool
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
