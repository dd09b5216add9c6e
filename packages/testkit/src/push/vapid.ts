import { createPublicKey, verify } from 'node:crypto'

/** The claims of a VAPID token (RFC 8292). */
export interface VapidClaims {
  aud: string
  exp: number
  sub: string
}

const DAY_S = 24 * 3_600

/**
 * Checks an `Authorization` header as a push service does: the scheme, the key that the device was subscribed with, the
 * ES256 signature, the audience and the expiry.
 * @throws with the reason if any of them is wrong
 */
export function checkVapid(header: string | undefined, origin: string, publicKey: string): VapidClaims {
  const match = /^vapid t=([\w-]+)\.([\w-]+)\.([\w-]+),\s*k=([\w-]+)$/.exec(header ?? '')
  if (match === null) throw new Error('the Authorization header does not use the vapid scheme')
  const [, head = '', body = '', signature = '', key = ''] = match
  if (key !== publicKey) throw new Error('the key is not the one that the device was subscribed with')
  const point = Buffer.from(key, 'base64url')
  const jwk = { kty: 'EC', crv: 'P-256', x: part(point, 1), y: part(point, 33) }
  const verifier = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' } as const
  if (!verify('sha256', Buffer.from(`${head}.${body}`), verifier, Buffer.from(signature, 'base64url'))) {
    throw new Error('the signature is wrong')
  }
  const claims = JSON.parse(Buffer.from(body, 'base64url').toString()) as VapidClaims
  const now = Date.now() / 1_000
  if (claims.aud !== origin) throw new Error(`the audience is ${claims.aud}`)
  if (!(claims.exp > now && claims.exp <= now + DAY_S))
    throw new Error('the token has expired, or expires in more than a day')
  if (!/^(mailto:|https:)/.test(claims.sub)) throw new Error('the subject is neither mailto: nor https:')
  return claims
}

function part(point: Buffer, from: number): string {
  return point.subarray(from, from + 32).toString('base64url')
}
