import { isStorableText, LIMITS, ParleyError, userId } from '@parley/protocol'
import { z } from 'zod'

/** The person or server that a token identifies. */
export interface Identity {
  /** `sub`: the id that the embedding product gave this person or server. */
  readonly userId: string
  /** `fullName` or else `name`; null if the token has neither in a usable form. */
  readonly fullName: string | null
  /** `profilePhoto` or else `picture`, an http or https URL; null if the token has neither in a usable form. */
  readonly profilePhoto: string | null
  /** Whether `role` is `service`: one of the product's servers rather than a person. */
  readonly service: boolean
  /** `exp`; null if the token does not expire, which is only allowed outside production. */
  readonly expiresAt: Date | null
  /** `iat`; null if the token has none. */
  readonly issuedAt: Date | null
}

/** The end of the year 9999 in seconds, the last that RFC 3339 can write. A time given in milliseconds by mistake exceeds it. */
const maxInstant = 253_402_300_799

/**
 * How far in the future a token may have been issued, in seconds, because the clocks of issuers and pods differ. A token from
 * further ahead would outlive every revocation until then, and its name would override newer ones.
 */
const ISSUED_AHEAD_S = 60

const instant = z.number().min(0).max(maxInstant)

const requiredClaims = z.object({ sub: userId, exp: instant.optional(), iat: instant.optional().catch(undefined) })

/**
 * Reads the claims of a token whose signature and times have been checked. Unusable names and photos count as absent; a bad
 * `sub`, or an `iat` in the future, invalidates the token.
 * @param now milliseconds since 1970
 * @throws ParleyError TOKEN_INVALID
 */
export function identityFromClaims(claims: unknown, now = Date.now()): Identity {
  const parsed = requiredClaims.safeParse(claims)
  if (!parsed.success) {
    const claim = parsed.error.issues[0]?.path[0] === 'exp' ? 'exp' : 'sub'
    const what = claim === 'exp' ? 'a time in seconds' : 'a user id of 1 to 128 characters'
    throw new ParleyError('TOKEN_INVALID', { message: `The token’s ${claim} must be ${what}.` })
  }
  const { sub, exp, iat } = parsed.data
  if (iat !== undefined && iat > now / 1_000 + ISSUED_AHEAD_S) {
    throw new ParleyError('TOKEN_INVALID', { message: 'The token’s iat is in the future.' })
  }
  const all: Record<string, unknown> = { ...(claims as object) }
  return {
    userId: sub,
    fullName: usableName(all.fullName) ?? usableName(all.name),
    profilePhoto: usablePhoto(all.profilePhoto) ?? usablePhoto(all.picture),
    service: all.role === 'service',
    expiresAt: exp === undefined ? null : new Date(exp * 1_000),
    issuedAt: iat === undefined ? null : new Date(iat * 1_000),
  }
}

function usableName(claim: unknown): string | null {
  if (typeof claim !== 'string') return null
  const name = claim.trim()
  return name.length > 0 && name.length <= LIMITS.nameLength && isStorableText(name) ? name : null
}

function usablePhoto(claim: unknown): string | null {
  if (typeof claim !== 'string' || claim.length > LIMITS.photoLength || !isStorableText(claim)) return null
  const url = URL.parse(claim)
  return url?.protocol === 'https:' || url?.protocol === 'http:' ? claim : null
}
