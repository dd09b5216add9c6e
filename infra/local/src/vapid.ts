import { createECDH } from 'node:crypto'

/** The key pair that a push service knows this installation by (RFC 8292), in base64url. */
export interface VapidPair {
  publicKey: string
  privateKey: string
}

/** A new P-256 pair, each half in base64url as web push has it. */
export function generateVapidPair(): VapidPair {
  const curve = createECDH('prime256v1')
  const publicKey = curve.generateKeys().toString('base64url')
  // A scalar that begins with zeros comes without them.
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
