import { TokenRevocations } from '@parley/messaging'
import { expect, it } from 'vitest'
import { renewToken } from '../src/events/renew-token.ts'

/** A socket whose own token, of second 3, is to be replaced by an older one, of second 1. */
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

it('a token that is revoked while its person is written takes the place of no other', async () => {
  const { before, session, revokeBefore, renew } = setting(async () => {
    // The socket's own token is newer: the guard leaves it open.
    revokeBefore(2_000)
    return { id: 'ahmed' }
  })
  await expect(renew()).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
  expect(session).toMatchObject(before)
})

it('nothing that a revoked token says of its person is written', async () => {
  const { revokeBefore, renew } = setting(() => expect.unreachable())
  revokeBefore(2_000)
  await expect(renew()).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
})
