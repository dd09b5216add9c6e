import { instantOf, ParleyError } from '@parley/protocol'
import type { EventHandler } from './handler.ts'

/** Puts a newer token of the same person in the place of the one that the socket came with. */
export const renewToken: EventHandler<'renewToken'> = async ({ deps, session, payload }) => {
  const identity = await deps.tokens.verify(payload.token)
  if (identity.service || identity.userId !== session.identity.userId) {
    throw new ParleyError('FORBIDDEN', { message: 'The token is not one of the person who connected.' })
  }
  await deps.revocations.require(identity)
  session.user = await deps.people.see(identity)
  session.identity = identity
  session.tokenLife.start(identity.expiresAt)
  return { expiresAt: identity.expiresAt && instantOf(identity.expiresAt) }
}
