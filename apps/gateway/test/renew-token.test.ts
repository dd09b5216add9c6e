import { TokenRevocations } from '@parley/messaging'
import { expect, it } from 'vitest'
import { renewToken } from '../src/events/renew-token.ts'

/** A socket whose token, issued in second 3, is to be replaced by an older one, issued in second 1. */
function setting(see: () => Promise<object>) {
  const revocations = new TokenRevocations({ db: {} as never, tell: () => expect.unreachable() })
  const revokeBefore = (validFrom: number) => revocations.note({ userId: 'ahmed', validFrom })
  revokeBefore(0)
  const identity = { userId: 'ahmed', issuedAt: new Date(1_000), expiresAt: null, service: false }
  const before = { user: { id: 'ahmed' }, identity: { userId: 'ahmed', issuedAt: new Date(3_000) } }
  const session = { ...before, tokenLife: { start: () => undefined } }
  const deps = { tokens: { verify: async () => identity }, revocations, people: { see } }
  const context = { deps, session, payload: { token: 'older' } } as unknown as Parameters<typeof renewToken>[0]
  return { before, session, revokeBefore, renew: () => renewToken(context) }
}

it('a token revoked while its person is being written does not replace the old one', async () => {
  const { before, session, revokeBefore, renew } = setting(async () => {
    // The socket's own token is newer, so the guard leaves the socket open.
    revokeBefore(2_000)
    return { id: 'ahmed' }
  })
  await expect(renew()).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
  expect(session).toMatchObject(before)
})

it('nothing from a revoked token is written about its person', async () => {
  const { revokeBefore, renew } = setting(() => expect.unreachable())
  revokeBefore(2_000)
  await expect(renew()).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
})
