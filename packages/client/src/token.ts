import { ParleyClientError, toClientError } from './errors.ts'

/** What the client reads of a token. It checks nothing: that is the server's business. */
export interface TokenClaims {
  sub: string | undefined
  /** Milliseconds since 1970; undefined for a token that does not end. */
  expiresAt: number | undefined
  /** From its issue (`iat`) to its end, in milliseconds; undefined where it does not say. */
  lifeMs: number | undefined
}

/** Reads a JWT's claims; nothing of a token that is no JWT. */
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

/** The text in base64url, without what not every platform has (`atob`, `TextDecoder`). @throws {Error} where it is none */
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

/** A token is replaced this long before it ends, in milliseconds, or at four fifths of its life if that is later. */
const EARLY_MS = 60_000
/** From one renewal to the next, whatever the tokens and the clock say, in milliseconds. */
const LEAST_MS = 10_000

/** Holds the current token and asks the application for a new one before it ends, or when the server refuses it. */
export class TokenSource {
  readonly #getToken: () => string | Promise<string>
  readonly #now: () => number
  readonly #onToken: (sub: string | undefined) => void
  #current: { token: string; renewAt: number } | undefined
  #asking: Promise<string> | undefined

  /** @param onToken called with whose it is when there is a new one, which is not taken where it throws */
  constructor(
    getToken: () => string | Promise<string>,
    now: () => number = Date.now,
    onToken: (sub: string | undefined) => void = () => undefined,
  ) {
    this.#getToken = getToken
    this.#now = now
    this.#onToken = onToken
  }

  /** Milliseconds until the current token should be replaced, below 0 once it should have been; undefined if never. */
  get renewInMs(): number | undefined {
    const { renewAt = Number.POSITIVE_INFINITY } = this.#current ?? {}
    return renewAt === Number.POSITIVE_INFINITY ? undefined : renewAt - this.#now()
  }

  /** The current token while it is good for a while yet, else a new one. Those who ask at the same time share it. */
  async get(): Promise<string> {
    if (this.#current !== undefined && this.#now() < this.#current.renewAt) return this.#current.token
    return this.renew()
  }

  /** A new token from the application. @throws {ParleyClientError} TOKEN_MISSING where there is none */
  renew(): Promise<string> {
    this.#asking ??= this.#ask().finally(() => {
      this.#asking = undefined
    })
    return this.#asking
  }

  /** The server does not take this one (any longer). */
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
    const least = this.#current === undefined ? Number.NEGATIVE_INFINITY : LEAST_MS
    this.#current = { token, renewAt: now + Math.max(left - EARLY_MS, left * 0.8, least) }
    return token
  }
}

/**
 * How long a token just received will be good, in milliseconds. The device's clock may be wrong: a token is never taken to
 * last longer than it was made for, and one that seems to have ended already is taken for new. Whether it really has ended
 * the server says.
 */
function lifeFrom(now: number, { expiresAt = Number.POSITIVE_INFINITY, lifeMs }: TokenClaims): number {
  const left = expiresAt - now
  if (lifeMs === undefined) return left
  return left > 0 ? Math.min(left, lifeMs) : lifeMs
}
