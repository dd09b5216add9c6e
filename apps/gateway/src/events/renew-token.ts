import { instantOf, ParleyError } from '@parley/protocol'
import type { EventHandler } from './handler.ts'

/** Puts a newer token of the same person in the place of the one that the socket came with. */
export const renewToken: EventHandler<'renewToken'> = async ({ deps, session, payload }) => {
  const identity = await deps.tokens.verify(payload.token)
  if (identity.service || identity.userId !== session.identity.userId) {
    throw new ParleyError('FORBIDDEN', { message: 'The token is not one of the person who connected.' })
  }
  await deps.revocations.require(identity)
  const user = await deps.people.see(identity)
  // The guard ends sockets by the token they have: one that was revoked while its person was written was none's.
  await deps.revocations.require(identity)
  session.user = user
  session.identity = identity
  session.tokenLife.start(identity.expiresAt)
  return { expiresAt: identity.expiresAt && instantOf(identity.expiresAt) }
}
