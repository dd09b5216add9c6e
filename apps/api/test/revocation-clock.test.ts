import { openDatabase } from '@parley/db'
import { TokenRevocations } from '@parley/messaging'
import { createTestDatabase } from '@parley/testkit'
import fastify from 'fastify'
import { expect, it, vi } from 'vitest'
import type { ApiDeps } from '../src/deps.ts'
import { userRoutes } from '../src/routes/users.ts'

/* A pod whose clock is behind revokes what was issued until now, and one whose clock is ahead no more than that. */

const HOUR_MS = 3_600_000

it.each([-HOUR_MS, HOUR_MS])(
  '"now" is by the clock of Postgres, not by that of a pod which is %i ms off',
  async (off) => {
    await using database = await createTestDatabase()
    const db = openDatabase({ url: database.url, max: 1, applicationName: 'test' })
    await using undo = new AsyncDisposableStack()
    undo.defer(() => db.close())
    const revocations = new TokenRevocations({ db, tell: () => undefined })
    const app = fastify()
    undo.defer(() => app.close())
    app.addHook('onRequest', async (request) => {
      Object.assign(request, { identity: { service: true } })
    })
    await app.register(userRoutes, { deps: { revocations } as ApiDeps })
    const began = Date.now()
    vi.useFakeTimers({ toFake: ['Date'], now: began + off })
    undo.defer(() => void vi.useRealTimers())
    const answer = await app.inject({ method: 'POST', url: '/ahmed/revoke-tokens' })
    vi.useRealTimers()
    const validFrom = Date.parse(answer.json().data.tokensValidFrom)
    expect(validFrom).toBeGreaterThanOrEqual(began)
    expect(validFrom).toBeLessThanOrEqual(Date.now())
    const issuedAt = (ms: number) => ({ userId: 'ahmed', issuedAt: new Date(ms) })
    await expect(revocations.require(issuedAt(began))).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
    await revocations.require(issuedAt(validFrom + 1_000))
  },
)
