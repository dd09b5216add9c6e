import { isUnavailable, openDatabase, transaction } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it } from 'vitest'

it('survives a connection that breaks between two statements of a transaction', async () => {
  await using database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'test-transaction' })
  const broken = transaction(db, async (tx) => {
    const { rows } = await tx.query<{ pid: number }>('select pg_backend_pid() as pid')
    await database.sql.query('select pg_terminate_backend($1)', [rows[0]?.pid])
    const gone = "select 1 from pg_stat_activity where application_name = 'test-transaction'"
    await expect.poll(async () => (await database.sql.query(gone)).rowCount).toBe(0)
    await tx.query('select 1')
  })
  await expect(broken).rejects.toSatisfy(isUnavailable)
  // The pool has replaced the connection.
  expect(await transaction(db, async (tx) => (await tx.query('select 1 as one')).rows)).toEqual([{ one: 1 }])
  await db.close()
})

it('retries a transaction that lost a deadlock, three tries in total', async () => {
  await using database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'test-transaction' })
  let runs = 0
  const losing = (times: number) =>
    transaction(db, async (tx) => {
      if (runs++ < times) await tx.query("do $$ begin raise sqlstate '40P01'; end $$")
      return runs
    })
  expect(await losing(2)).toBe(3)
  runs = 0
  await expect(losing(3)).rejects.toMatchObject({ code: '40P01' })
  expect(runs).toBe(3)
  await db.close()
})
