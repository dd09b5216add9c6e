import type { Database } from '@parley/db'
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { People, TokenRevocations } from '../src/index.ts'

/* Caches expire by a monotonic clock. */

const HOUR_MS = 3_600_000
const userId = 'ahmed'

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['Date', 'performance'] })
})
afterEach(() => {
  vi.useRealTimers()
})

/** A database that answers every statement with one row, and counts them. */
function counted(row: object) {
  const query = vi.fn(async () => ({ rows: [row] }))
  return { db: { pool: { query } } as unknown as Database, query }
}

function setBackAnHour(): void {
  vi.setSystemTime(Date.now() - HOUR_MS)
}

it('a revocation whose notice was lost takes effect within half a minute, even if the clock is set back', async () => {
  const issuedAt = new Date(Date.now() - 1_000)
  const row = { id: userId, tokens_valid_from: new Date(0).toISOString() }
  const { db, query } = counted(row)
  const revocations = new TokenRevocations({ db, tell: () => undefined })
  await revocations.require({ userId, issuedAt })
  row.tokens_valid_from = new Date().toISOString()
  setBackAnHour()
  vi.advanceTimersByTime(29_000)
  await revocations.require({ userId, issuedAt })
  expect(query).toHaveBeenCalledOnce()
  vi.advanceTimersByTime(2_000)
  await expect(revocations.require({ userId, issuedAt })).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
})

it('a user seen again after a minute is written again, even if the clock was set back', async () => {
  const { db, query } = counted({ id: userId, full_name: 'Ahmed', profile_photo: null })
  const people = new People(db)
  const claims = { userId, fullName: 'Ahmed', profilePhoto: null, issuedAt: null }
  await people.see(claims)
  setBackAnHour()
  vi.advanceTimersByTime(59_000)
  await people.see(claims)
  expect(query).toHaveBeenCalledOnce()
  vi.advanceTimersByTime(2_000)
  await people.see(claims)
  expect(query).toHaveBeenCalledTimes(2)
})
