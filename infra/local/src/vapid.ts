import { createECDH } from 'node:crypto'

/** The key pair that identifies this installation to push services (RFC 8292), in base64url. */
export interface VapidPair {
  publicKey: string
  privateKey: string
}

/** Generates a P-256 key pair, each half in base64url as web push expects it. */
export function generateVapidPair(): VapidPair {
  const curve = createECDH('prime256v1')
  const publicKey = curve.generateKeys().toString('base64url')
  // Node strips leading zeros from the scalar.
  const scalar = curve.getPrivateKey()
  const privateKey = Buffer.concat([Buffer.alloc(32 - scalar.length), scalar]).toString('base64url')
  return { publicKey, privateKey }
}

// `npm run vapid`
if (import.meta.main) {
  const { publicKey, privateKey } = generateVapidPair()
  console.log(`VAPID_PUBLIC_KEY=${publicKey}`)
  console.log(`VAPID_PRIVATE_KEY=${privateKey}`)
}
