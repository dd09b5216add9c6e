import { isStorableText, LIMITS, ParleyError, userId } from '@parley/protocol'
import { z } from 'zod'

/** Who a token speaks for. */
export interface Identity {
  /** `sub`: the id the embedding product gave this person or server. */
  readonly userId: string
  /** `fullName`, else `name`; null when the token has neither in a usable form. */
  readonly fullName: string | null
  /** `profilePhoto`, else `picture`: an http or https URL; null when the token has neither in a usable form. */
  readonly profilePhoto: string | null
  /** Whether `role` is `service`: a server of the product, not a person. */
  readonly service: boolean
  /** `exp`; null for a token that does not end, which only exists outside production. */
  readonly expiresAt: Date | null
  /** `iat`; null when the token does not say. */
  readonly issuedAt: Date | null
}

/** The end of the year 9999, in seconds: later ones RFC 3339 cannot write. A time in milliseconds by mistake lies past it. */
const maxInstant = 253_402_300_799

const instant = z.number().min(0).max(maxInstant)

const requiredClaims = z.object({ sub: userId, exp: instant.optional(), iat: instant.optional().catch(undefined) })

/**
 * Reads the claims of a token whose signature and times have been checked.
 * Names and photos in an unusable form count as absent; a bad `sub` makes the token useless.
 * @throws ParleyError TOKEN_INVALID
 */
export function identityFromClaims(claims: unknown): Identity {
  const parsed = requiredClaims.safeParse(claims)
  if (!parsed.success) {
    const claim = parsed.error.issues[0]?.path[0] === 'exp' ? 'exp' : 'sub'
    const what = claim === 'exp' ? 'a time in seconds' : 'a user’s id of 1 to 128 characters'
    throw new ParleyError('TOKEN_INVALID', { message: `The token’s ${claim} should be ${what}.` })
  }
  const { sub, exp, iat } = parsed.data
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
