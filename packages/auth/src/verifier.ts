import { createHmac, timingSafeEqual } from 'node:crypto'
import { LIMITS, ParleyError } from '@parley/protocol'
import { createSigner, createVerifier, TOKEN_ERROR_CODES, TokenError, type VerifierOptions } from 'fast-jwt'
import { tokenError } from './errors.ts'
import { type Identity, identityFromClaims } from './identity.ts'
import { createJwks, type JwksOptions, publicKeyAlgorithms } from './jwks.ts'

/** The settings for accepted tokens, as read by `tokenSettings` of @parley/runtime. */
export interface TokenSettings {
  readonly NODE_ENV: 'development' | 'test' | 'production'
  /** The shared secret for HS256. Exactly one of this and JWT_JWKS_URL is set. */
  readonly JWT_SECRET: string | undefined
  /** A second accepted secret besides JWT_SECRET, for rotating secrets. */
  readonly JWT_SECRET_PREVIOUS?: string | undefined
  readonly JWT_JWKS_URL: string | undefined
  readonly JWT_ISSUER: string | undefined
  readonly JWT_AUDIENCE: string | undefined
}

/** The header of a token, which identifies its key, as passed by fast-jwt and @fastify/jwt. */
type SignedHeader = { kid?: unknown; alg?: unknown }

/** A decoded token; `input` is what the signature covers. */
interface DecodedToken {
  header: SignedHeader
  input?: unknown
  signature?: unknown
}

/** Options for `app.register(fastifyJwt, options)`, with the same keys, algorithms and checks as `verify`. */
export interface FastifyJwtOptions {
  secret: string | ((request: unknown, token: SignedHeader | DecodedToken) => Promise<string>)
  decode: { complete: true }
  verify: VerifierOptions
}

export interface TokenVerifier {
  /**
   * Checks a token from outside and returns whom it identifies.
   * @throws ParleyError TOKEN_MISSING, TOKEN_INVALID or TOKEN_EXPIRED; UNAVAILABLE while the keys cannot be fetched
   */
  verify(token: unknown): Promise<Identity>
  readonly jwtOptions: FastifyJwtOptions
}

/** How far the issuer's clock may differ from ours, in milliseconds. */
const clockToleranceMs = 5_000

/**
 * Verified tokens are cached by the hash of the whole token for at most a minute, and not beyond `exp`. With keys from a JWKS
 * this saves a signature check per request, and the limit bounds how long a withdrawn key is accepted. Failures are not cached:
 * fast-jwt would keep them for the clock tolerance, which outlasts a momentary failure of the issuer.
 */
const cacheOptions = {
  cache: 10_000,
  // fast-jwt adds the clock tolerance.
  cacheTTL: 60_000 - clockToleranceMs,
  errorCacheTTL: () => Number.NEGATIVE_INFINITY,
} satisfies VerifierOptions

/**
 * Creates a verifier. The configuration decides the algorithm, never the token: a secret means HS256, a JWKS public keys. Tokens
 * are signed with JWT_SECRET and also accepted under JWT_SECRET_PREVIOUS.
 */
export function createTokenVerifier(
  settings: TokenSettings,
  jwksOptions: Omit<JwksOptions, 'url'> = {},
): TokenVerifier {
  const checks = verifierOptions(settings)
  const secret = settings.JWT_SECRET
  const keyOf = settings.JWT_JWKS_URL ? keyFinder({ ...jwksOptions, url: settings.JWT_JWKS_URL }) : null
  if ((secret === undefined) === (keyOf === null))
    throw new Error('exactly one of JWT_SECRET and JWT_JWKS_URL must be set')

  const secrets = [secret ?? '', ...(settings.JWT_SECRET_PREVIOUS ? [settings.JWT_SECRET_PREVIOUS] : [])]
  const check = keyOf
    ? createVerifier<string>({ ...checks, key: ({ header }: { header: SignedHeader }) => keyOf(header) })
    : firstThatSigned(secrets.map((key) => createVerifier<string>({ ...checks, key })))

  return {
    async verify(token) {
      if (token === undefined || token === null || token === '') throw new ParleyError('TOKEN_MISSING')
      if (typeof token !== 'string' || token.length > LIMITS.tokenLength) throw new ParleyError('TOKEN_INVALID')
      let claims: unknown
      try {
        claims = await check(token)
      } catch (error) {
        throw tokenError(error)
      }
      return identityFromClaims(claims)
    },
    jwtOptions: {
      secret: keyOf ? (_request, token) => keyOf('header' in token ? token.header : token) : signingSecret(secrets),
      decode: { complete: true },
      verify: checks,
    },
  }
}

function verifierOptions(settings: TokenSettings): VerifierOptions {
  const { JWT_ISSUER: issuer, JWT_AUDIENCE: audience } = settings
  return {
    ...cacheOptions,
    algorithms: settings.JWT_JWKS_URL ? [...publicKeyAlgorithms] : ['HS256'],
    clockTolerance: clockToleranceMs,
    ...(issuer === undefined ? {} : { allowedIss: issuer }),
    ...(audience === undefined ? {} : { allowedAud: audience }),
    // fast-jwt checks a claim only if it is present, so the checked claims are also required.
    requiredClaims: [
      'sub',
      ...(issuer === undefined ? [] : ['iss']),
      ...(audience === undefined ? [] : ['aud']),
      ...(settings.NODE_ENV === 'production' ? ['exp'] : []),
    ],
  }
}

/** Accepts what any of the checks accepts. A token with none of the signatures gets the error of the first check. */
function firstThatSigned(checks: readonly ((token: string) => unknown)[]): (token: string) => unknown {
  const [first, ...others] = checks
  return (token) => {
    try {
      return first?.(token)
    } catch (error) {
      for (const check of others) {
        try {
          return check(token)
        } catch (otherError) {
          if (!isWrongSignature(otherError)) throw otherError
        }
      }
      throw error
    }
  }
}

function isWrongSignature(error: unknown): boolean {
  return error instanceof TokenError && error.code === TOKEN_ERROR_CODES.invalidSignature
}

/** Selects the secret that signed a token, for @fastify/jwt, which needs the key before it verifies. */
function signingSecret([first = '', ...others]: readonly string[]): FastifyJwtOptions['secret'] {
  if (others.length === 0) return first
  return async (_request, token) => others.find((key) => 'header' in token && isSignedBy(key, token)) ?? first
}

function isSignedBy(key: string, { input, signature }: DecodedToken): boolean {
  if (typeof input !== 'string' || typeof signature !== 'string') return false
  const [expected, found] = [createHmac('sha256', key).update(input).digest(), Buffer.from(signature, 'base64url')]
  return expected.length === found.length && timingSafeEqual(expected, found)
}

function keyFinder(options: JwksOptions): (header: SignedHeader) => Promise<string> {
  const jwks = createJwks(options)
  return async (header) => {
    const key = await jwks.find(header)
    if (key === null) throw new ParleyError('TOKEN_INVALID', { message: 'The token is signed with an unknown key.' })
    return key
  }
}

/** The claims of a token signed by Parley itself, for demo users and tests. */
export interface TokenClaims {
  sub: string
  fullName?: string
  profilePhoto?: string
  role?: 'service'
}

/** Signs a token that `createTokenVerifier` accepts with the same settings. Requires JWT_SECRET. */
export function signToken(
  settings: Partial<Pick<TokenSettings, 'JWT_SECRET' | 'JWT_ISSUER' | 'JWT_AUDIENCE'>>,
  claims: TokenClaims,
  { expiresInSeconds }: { expiresInSeconds: number },
): string {
  const { JWT_SECRET: key, JWT_ISSUER: iss, JWT_AUDIENCE: aud } = settings
  if (key === undefined) throw new Error('signing a token requires JWT_SECRET')
  const sign = createSigner({
    key,
    algorithm: 'HS256',
    expiresIn: expiresInSeconds * 1_000,
    ...(iss === undefined ? {} : { iss }),
    ...(aud === undefined ? {} : { aud }),
  })
  return sign({ ...claims })
}
