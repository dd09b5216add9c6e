import { createPublicKey } from 'node:crypto'
import { ParleyError } from '@parley/protocol'
import { z } from 'zod'

/** The algorithms accepted for signatures by keys of a JWKS. */
export const publicKeyAlgorithms = ['RS256', 'ES256', 'EdDSA'] as const
export type PublicKeyAlgorithm = (typeof publicKeyAlgorithms)[number]

interface PublicKey {
  readonly kid: string | undefined
  readonly algorithm: PublicKeyAlgorithm
  /** SPKI in PEM, as fast-jwt needs it. */
  readonly pem: string
}

export interface JwksOptions {
  url: string
  /** Age in milliseconds at which the keys are fetched again, in the background while the old ones remain in use. */
  refreshAfterMs?: number
  /** Age in milliseconds up to which old keys remain in use while the issuer does not respond. Then tokens get UNAVAILABLE. */
  keepForMs?: number
  /** Minimum milliseconds between two fetches, however many tokens name unknown keys. */
  cooldownMs?: number
  /** Timeout of a fetch in milliseconds. */
  timeoutMs?: number
  now?: () => number
}

/** The largest accepted JWKS in bytes; real ones have a few thousand. */
const maxBytes = 256 * 1024

const jwkSet = z.object({ keys: z.array(z.record(z.string(), z.unknown())).max(1_000) })
const jwkHead = z.object({
  kty: z.string(),
  kid: z.string().optional(),
  alg: z.string().optional(),
  use: z.literal('sig').optional(),
  key_ops: z.array(z.string()).optional(),
  crv: z.string().optional(),
})

/**
 * The public keys of a token issuer (RFC 7517), cached in memory. Not get-jwks: its fetch has no timeout, it fetches once per
 * unknown key id (so anybody's tokens could make it flood the issuer), and it does not support EdDSA keys.
 */
export function createJwks(options: JwksOptions) {
  const { url, refreshAfterMs = 300_000, keepForMs = 3_600_000, cooldownMs = 5_000, timeoutMs = 3_000 } = options
  const now = options.now ?? (() => performance.now())
  let keys: readonly PublicKey[] = []
  let fetchedAt = Number.NEGATIVE_INFINITY
  let attemptedAt = Number.NEGATIVE_INFINITY
  let fetching: Promise<void> | null = null

  const refresh = (): Promise<void> => {
    if (fetching) return fetching
    if (now() - attemptedAt < cooldownMs) return Promise.resolve()
    attemptedAt = now()
    fetching = fetchKeys(url, timeoutMs)
      .then((fetched) => {
        keys = fetched
        fetchedAt = now()
      })
      // A failed fetch keeps the current keys; once they are too old, `find` throws UNAVAILABLE.
      .catch(() => undefined)
      .finally(() => {
        fetching = null
      })
    return fetching
  }

  /**
   * Returns the key for a token with this header, as PEM; null if the issuer has none that matches both id and algorithm.
   * @throws ParleyError UNAVAILABLE if the issuer cannot be reached and the cached keys are too old or do not match: the issuer
   *   may have a matching key by now
   */
  async function find(header: { kid?: unknown; alg?: unknown }): Promise<string | null> {
    const held = now() - fetchedAt < keepForMs ? pick(keys, header) : null
    if (held !== null) {
      if (now() - fetchedAt >= refreshAfterMs) void refresh()
      return held
    }
    await refresh()
    const key = now() - fetchedAt < keepForMs ? pick(keys, header) : null
    // The last fetch failed.
    if (key === null && fetchedAt < attemptedAt) {
      throw new ParleyError('UNAVAILABLE', { message: 'The keys to verify tokens cannot be fetched; try again soon.' })
    }
    return key
  }

  return { find }
}

/** Selects the key for a token. One without a key id may use the only key for its algorithm, if there is just one. */
function pick(keys: readonly PublicKey[], { kid, alg }: { kid?: unknown; alg?: unknown }): string | null {
  const matching = keys.filter((key) => key.algorithm === alg && (kid === undefined || key.kid === kid))
  return matching.length === 1 || kid !== undefined ? (matching[0]?.pem ?? null) : null
}

async function fetchKeys(url: string, timeoutMs: number): Promise<PublicKey[]> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (!response.ok) throw new Error(`the JWKS request failed with ${response.status}`)
  const { keys } = jwkSet.parse(JSON.parse(await readBounded(response)))
  return keys.map(readKey).filter((key) => key !== null)
}

async function readBounded(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let text = ''
  let bytes = 0
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength
    if (bytes > maxBytes) throw new Error('the JWKS is too large')
    text += decoder.decode(chunk, { stream: true })
  }
  return text + decoder.decode()
}

/** Reads a key of the set; null if the key is for another purpose or too weak (RFC 7518 §3.3). */
function readKey(jwk: Record<string, unknown>): PublicKey | null {
  const head = jwkHead.safeParse(jwk)
  if (!head.success) return null
  const { kty, kid, alg, crv, key_ops: operations } = head.data
  const algorithm = algorithmOf(kty, crv)
  if (!algorithm || (alg !== undefined && alg !== algorithm)) return null
  if (operations && !operations.includes('verify')) return null
  try {
    const key = createPublicKey({ key: jwk, format: 'jwk' })
    if (algorithm === 'RS256' && (key.asymmetricKeyDetails?.modulusLength ?? 0) < 2_048) return null
    return { kid, algorithm, pem: key.export({ type: 'spki', format: 'pem' }).toString() }
  } catch {
    return null // A malformed key does not affect the others.
  }
}

function algorithmOf(kty: string, crv: string | undefined): PublicKeyAlgorithm | null {
  if (kty === 'RSA') return 'RS256'
  if (kty === 'EC' && crv === 'P-256') return 'ES256'
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA'
  return null
}
