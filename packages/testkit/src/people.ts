import { createHmac, randomUUID } from 'node:crypto'
import type { User } from '@parley/protocol'

const TOKEN_LIFE_S = 3_600

/** A person for a test, with an id that nobody else has. */
export function user(fullName = 'Ahmed Hassan', profilePhoto: string | null = null): User {
  return { id: randomUUID(), fullName, profilePhoto }
}

/**
 * A token as an embedding product makes it: HS256, by hand, so that no code of the servers vouches for itself.
 * `claims` override and add; undefined leaves a claim out.
 */
export function signToken(who: User | string, secret: string, claims: Record<string, unknown> = {}): string {
  const person = typeof who === 'string' ? { sub: who } : { sub: who.id, fullName: who.fullName, ...photoOf(who) }
  const iat = Math.floor(Date.now() / 1_000)
  const payload = { ...person, iat, exp: iat + TOKEN_LIFE_S, ...claims }
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
