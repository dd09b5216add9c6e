import { createHmac, randomUUID } from 'node:crypto'
import type { User } from '@parley/protocol'

const TOKEN_LIFETIME_S = 3_600

/** Returns a person with a unique id. */
export function user(fullName = 'Ahmed Hassan', profilePhoto: string | null = null): User {
  return { id: randomUUID(), fullName, profilePhoto }
}

/**
 * Signs a token as an embedding product does: HS256, without code from the servers, so that they do not vouch for themselves.
 * `claims` override and add; undefined omits a claim.
 */
export function signToken(who: User | string, secret: string, claims: Record<string, unknown> = {}): string {
  const person = typeof who === 'string' ? { sub: who } : { sub: who.id, fullName: who.fullName, ...photoOf(who) }
  const iat = Math.floor(Date.now() / 1_000)
  const payload = { ...person, iat, exp: iat + TOKEN_LIFETIME_S, ...claims }
  const parts = [{ alg: 'HS256', typ: 'JWT' }, payload].map((part) => base64url(JSON.stringify(part)))
  const signed = parts.join('.')
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

function photoOf({ profilePhoto }: User): { profilePhoto?: string } {
  return profilePhoto === null ? {} : { profilePhoto }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
