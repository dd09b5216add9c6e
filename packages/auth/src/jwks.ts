import { createPublicKey } from 'node:crypto'
import { ParleyError } from '@parley/protocol'
import { z } from 'zod'

/** The signature algorithms that keys from a JWKS may be used with. */
export const publicKeyAlgorithms = ['RS256', 'ES256', 'EdDSA'] as const
export type PublicKeyAlgorithm = (typeof publicKeyAlgorithms)[number]

interface PublicKey {
  readonly kid: string | undefined
  readonly algorithm: PublicKeyAlgorithm
  /** SPKI in PEM, which is what fast-jwt takes. */
  readonly pem: string
}

export interface JwksOptions {
  url: string
  /** Milliseconds after which the set is fetched again, in the background while the old one still serves. */
  refreshAfterMs?: number
  /** Milliseconds for which an old set serves while the issuer does not answer. After that tokens get UNAVAILABLE. */
  keepForMs?: number
  /** Least milliseconds between two fetches, however many tokens name a key that is not known. */
  cooldownMs?: number
  /** Milliseconds that one fetch may take. */
  timeoutMs?: number
  now?: () => number
}

/** Bytes of a JWKS that are read at most; real ones have a few thousand. */
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
 * The public keys of a token issuer (RFC 7517), kept in memory. Written out here rather than taken from get-jwks, whose
 * fetch has no time limit, which fetches once per unknown key id (so anybody's tokens could make it hammer the issuer),
 * and which does not know EdDSA keys.
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
      // A failed fetch leaves the keys as they are; once those are too old, `find` answers UNAVAILABLE.
      .catch(() => undefined)
      .finally(() => {
        fetching = null
      })
    return fetching
  }

  /**
   * The key for a token with this header, as PEM, or null if the issuer has none that fits both id and algorithm.
   * @throws ParleyError UNAVAILABLE when the issuer cannot be asked and no keys are held that are fresh enough, or none of
   * them fits: the issuer may have one by now.
   */
  async function find(header: { kid?: unknown; alg?: unknown }): Promise<string | null> {
    const held = now() - fetchedAt < keepForMs ? pick(keys, header) : null
    if (held !== null) {
      if (now() - fetchedAt >= refreshAfterMs) void refresh()
      return held
    }
    await refresh()
    const key = now() - fetchedAt < keepForMs ? pick(keys, header) : null
    // The last attempt to fetch them failed.
    if (key === null && fetchedAt < attemptedAt) {
      throw new ParleyError('UNAVAILABLE', { message: 'The keys for tokens cannot be fetched; try again soon.' })
    }
    return key
  }

  return { find }
}

/** A token that names no key may use the one key that fits its algorithm, if there is just one. */
function pick(keys: readonly PublicKey[], { kid, alg }: { kid?: unknown; alg?: unknown }): string | null {
  const fitting = keys.filter((key) => key.algorithm === alg && (kid === undefined || key.kid === kid))
  return fitting.length === 1 || kid !== undefined ? (fitting[0]?.pem ?? null) : null
}

async function fetchKeys(url: string, timeoutMs: number): Promise<PublicKey[]> {
  const response = await fetch(url, {
    headers: { accept: 'application/json' },
    signal: AbortSignal.timeout(timeoutMs),
  })
  if (!response.ok) throw new Error(`the JWKS answered ${response.status}`)
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

/** One key of the set; null for a key that is meant for something else, or that is too weak (RFC 7518 §3.3). */
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
    return null // One malformed key does not take the others out of use.
  }
}

function algorithmOf(kty: string, crv: string | undefined): PublicKeyAlgorithm | null {
  if (kty === 'RSA') return 'RS256'
  if (kty === 'EC' && crv === 'P-256') return 'ES256'
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA'
  return null
}
