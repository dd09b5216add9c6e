import { ParleyClientError, toClientError } from './errors.ts'

/** The claims the client reads from a token. It verifies nothing: that is up to the server. */
export interface TokenClaims {
  sub: string | undefined
  /** Milliseconds since 1970; undefined for a token that does not expire. */
  expiresAt: number | undefined
  /** Lifetime from `iat` to `exp`, in milliseconds; undefined if either is missing. */
  lifeMs: number | undefined
}

/** Reads a JWT's claims; all are undefined if the token is not a JWT. */
export function readClaims(token: string): TokenClaims {
  try {
    const claims: unknown = JSON.parse(textOf(token.split('.')[1] ?? ''))
    if (typeof claims !== 'object' || claims === null) return NOTHING
    const { sub, exp, iat } = claims as { sub?: unknown; exp?: unknown; iat?: unknown }
    return {
      sub: typeof sub === 'string' ? sub : undefined,
      expiresAt: typeof exp === 'number' ? exp * 1_000 : undefined,
      lifeMs: typeof exp === 'number' && typeof iat === 'number' && iat < exp ? (exp - iat) * 1_000 : undefined,
    }
  } catch {
    return NOTHING
  }
}

const BASE64URL = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'

/** Decodes base64url text without `atob` and `TextDecoder`, which some platforms lack. @throws {Error} if it is malformed */
function textOf(base64url: string): string {
  let encoded = ''
  let bits = 0
  let pending = 0
  for (const char of base64url) {
    const value = BASE64URL.indexOf(char)
    if (value === -1) throw new Error('This is not base64url.')
    pending = ((pending << 6) | value) & 0xfff
    bits += 6
    if (bits < 8) continue
    bits -= 8
    encoded += `%${((pending >> bits) & 0xff).toString(16).padStart(2, '0')}`
  }
  return decodeURIComponent(encoded)
}

const NOTHING: TokenClaims = { sub: undefined, expiresAt: undefined, lifeMs: undefined }

/** A token is renewed this long before it expires, in milliseconds, or at four fifths of its life if that is later. */
const EARLY_MS = 60_000
/** Minimum time between two renewals, whatever the tokens and the clock say, in milliseconds. */
const MIN_INTERVAL_MS = 10_000

/** Holds the current token and asks the application for a new one before it expires or when the server refuses it. */
export class TokenSource {
  readonly #getToken: () => string | Promise<string>
  readonly #now: () => number
  readonly #onToken: (sub: string | undefined) => void
  #current: { token: string; renewAt: number } | undefined
  #asking: Promise<string> | undefined

  /** @param onToken called with the subject of each new token; if it throws, the token is not used */
  constructor(
    getToken: () => string | Promise<string>,
    now: () => number = Date.now,
    onToken: (sub: string | undefined) => void = () => undefined,
  ) {
    this.#getToken = getToken
    this.#now = now
    this.#onToken = onToken
  }

  /** Milliseconds until the current token should be renewed, negative once overdue; undefined if never. */
  get renewInMs(): number | undefined {
    const { renewAt = Number.POSITIVE_INFINITY } = this.#current ?? {}
    return renewAt === Number.POSITIVE_INFINITY ? undefined : renewAt - this.#now()
  }

  /** Returns the current token, or a new one if renewal is due. Concurrent callers share one request. */
  async get(): Promise<string> {
    if (this.#current !== undefined && this.#now() < this.#current.renewAt) return this.#current.token
    return this.renew()
  }

  /** Asks the application for a new token. @throws {ParleyClientError} TOKEN_MISSING if it provides none */
  renew(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** Marks a token that the server refused as due for renewal. */
  reject(token: string | undefined): void {
    if (this.#current !== undefined && this.#current.token === token) this.#current.renewAt = 0
  }

  async #ask(): Promise<string> {
    let token: unknown
    try {
      token = await this.#getToken()
    } catch (cause) {
      const { message } = toClientError(cause)
      throw new ParleyClientError('TOKEN_MISSING', `getToken failed: ${message}`, { cause })
    }
    if (typeof token !== 'string' || token === '') {
      throw new ParleyClientError('TOKEN_MISSING', 'getToken gave no token.')
    }
    const claims = readClaims(token)
    this.#onToken(claims.sub)
    const now = this.#now()
    const left = lifeFrom(now, claims)
    const minimum = this.#current === undefined ? Number.NEGATIVE_INFINITY : MIN_INTERVAL_MS
    this.#current = { token, renewAt: now + Math.max(left - EARLY_MS, left * 0.8, minimum) }
    return token
  }
}

/**
 * Returns how long a token just received will be valid, in milliseconds. The device's clock may be wrong: the result never
 * exceeds the token's own lifetime, and a token that appears to have expired counts as new. The server has the final say.
 */
function lifeFrom(now: number, { expiresAt = Number.POSITIVE_INFINITY, lifeMs }: TokenClaims): number {
  const left = expiresAt - now
  if (lifeMs === undefined) return left
  return left > 0 ? Math.min(left, lifeMs) : lifeMs
}
