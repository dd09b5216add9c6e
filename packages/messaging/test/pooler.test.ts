import { isUnavailable, openDatabase } from '@parley/db'
import { ownPostgres, throughPgBouncer } from '@parley/testkit'
import { expect, it } from 'vitest'

it('behind PgBouncer, an outage of Postgres and its end are noticed within seconds', async () => {
  await using postgres = await ownPostgres(() => undefined)
  await using pooled = await throughPgBouncer(postgres)
  const db = openDatabase({ url: pooled.url, max: 2, applicationName: 'pooler-test' })
  const ask = () => db.pool.query('select 1 as one').then(({ rows }) => rows, isUnavailable)
  expect(await ask()).toEqual([{ one: 1 }])

  await postgres.crash()
  const away = performance.now()
  // The first query uses an open connection, the second a new one.
  expect([await ask(), await ask()]).toEqual([true, true])
  expect(performance.now() - away).toBeLessThan(6_000)

  await postgres.start()
  await expect.poll(ask, { timeout: 6_000 }).toEqual([{ one: 1 }])
  await db.close()
})
