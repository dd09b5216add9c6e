import { TokenRevocations } from '@parley/messaging'
import { expect, it } from 'vitest'
import { renewToken } from '../src/events/renew-token.ts'

it('a token that is revoked while its person is written takes the place of no other', async () => {
  const revocations = new TokenRevocations({ db: {} as never, tell: () => expect.unreachable() })
  revocations.note({ userId: 'ahmed', validFrom: 0 })
  const identity = { userId: 'ahmed', issuedAt: new Date(1_000), expiresAt: null, service: false }
  const before = { user: { id: 'ahmed' }, identity: { userId: 'ahmed', issuedAt: new Date(3_000) } }
  const session = { ...before, tokenLife: { start: () => undefined } }
  const see = async () => {
    // The socket's own token is newer: the guard leaves it open.
    revocations.note({ userId: 'ahmed', validFrom: 2_000 })
    return { id: 'ahmed' }
  }
  const deps = { tokens: { verify: async () => identity }, revocations, people: { see } }
  const context = { deps, session, payload: { token: 'older' } } as unknown as Parameters<typeof renewToken>[0]
  await expect(renewToken(context)).rejects.toMatchObject({ code: 'TOKEN_INVALID' })
  expect(session).toMatchObject(before)
})
