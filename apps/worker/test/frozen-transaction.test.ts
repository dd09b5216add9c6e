import { isUnavailable, openDatabase, transaction } from '@parley/db'
import { createTestDatabase } from '@parley/testkit'
import { expect, it } from 'vitest'

it('releases the locks of a process that freezes or vanishes in the middle of a transaction', async () => {
  await using database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max: 2, applicationName: 'test-transaction' })
  await db.pool.query('create table things (id int); insert into things values (1)')
  const lock = 'select from things for update'
  const [locked, thawed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const frozen = transaction(
    db,
    async (tx) => {
      await tx.query(lock)
      locked.resolve()
      await thawed.promise
      await tx.query('delete from things')
    },
    2_000,
  )
  frozen.catch(() => undefined)
  await locked.promise
  expect((await transaction(db, (tx) => tx.query(lock))).rowCount).toBe(1)
  thawed.resolve()
  await expect(frozen).rejects.toSatisfy(isUnavailable)
  expect((await db.pool.query(lock)).rowCount).toBe(1)
  // The default limit is five seconds; outside of a transaction nothing ends an idle connection.
  const bound = 'show idle_in_transaction_session_timeout'
  expect((await transaction(db, (tx) => tx.query(bound))).rows).toEqual([{ idle_in_transaction_session_timeout: '5s' }])
  expect((await db.pool.query(bound)).rows).toEqual([{ idle_in_transaction_session_timeout: '0' }])
  await db.close()
})

it('reports the database as unavailable when a process thaws and continues its transaction', async () => {
  await using database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'test-transaction' })
  const thawed = transaction(
    db,
    async (tx) => {
      await tx.query('select 1')
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600)
      await tx.query('select 1')
    },
    200,
  )
  await expect(thawed).rejects.toSatisfy(isUnavailable)
  expect((await db.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await db.close()
})

it('reports the database as unavailable when it ends a transaction that took too long', async () => {
  await using database = await createTestDatabase()
  const db = openDatabase({ url: database.url, max: 1, applicationName: 'test-transaction' })
  const slow = transaction(db, async (tx) => {
    await tx.query('set local transaction_timeout = 100')
    await tx.query('select pg_sleep(60)')
  })
  await expect(slow).rejects.toSatisfy(isUnavailable)
  expect((await db.pool.query('select 1 as one')).rows).toEqual([{ one: 1 }])
  await db.close()
})
