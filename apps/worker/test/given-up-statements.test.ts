import { isUnavailable, openDatabase } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it } from 'vitest'

it('leaves no abandoned statements running in Postgres, where they would use up all connections', async () => {
  await using database = await createTestDatabase()
  await database.sql.query('create table things (id int)')
  // Bypasses a pooler, whose own limits would have to do this.
  const url = String(database.sql.options.connectionString)
  const db = openDatabase({ url, max: 1, applicationName: 'test-given-up', queryTimeoutMs: 200 })
  const holder = await database.sql.connect()
  await holder.query('begin; lock table things')
  try {
    for (let n = 0; n < 3; n++) await expect(db.pool.query('select from things')).rejects.toSatisfy(isUnavailable)
    const atWork = `select from pg_stat_activity where application_name = 'test-given-up'`
    await expect.poll(async () => (await database.sql.query(atWork)).rowCount).toBe(0)
  } finally {
    holder.release(true)
    await db.close()
  }
})
