import { instantOf, ParleyError } from '@parley/protocol'
import { verifyForLife } from '../token-life.ts'
import type { EventHandler } from './handler.ts'

/** Replaces the socket's token with a newer one of the same person. */
export const renewToken: EventHandler<'renewToken'> = async ({ deps, session, payload }) => {
  const identity = await verifyForLife(deps.tokens, payload.token)
  if (identity.service || identity.userId !== session.identity.userId) {
    throw new ParleyError('FORBIDDEN', { message: 'The token does not belong to the person who connected.' })
  }
  await deps.revocations.require(identity)
  const user = await deps.people.see(identity)
  // Checked again: while the person was being written this token was not the socket's yet, so the guard would have missed it.
  await deps.revocations.require(identity)
  session.user = user
  session.identity = identity
  session.tokenLife.start(identity.expiresAt)
  return { expiresAt: identity.expiresAt && instantOf(identity.expiresAt) }
}
