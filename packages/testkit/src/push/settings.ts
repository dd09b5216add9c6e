import { generateVapidPair } from '@parley/local'

/** Settings with a new key pair of VAPID (RFC 8292), with which a cluster offers push. */
export function vapidSettings(): Record<'VAPID_PUBLIC_KEY' | 'VAPID_PRIVATE_KEY' | 'VAPID_SUBJECT', string> {
  const { publicKey, privateKey } = generateVapidPair()
  return { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: 'mailto:tests@parley.example' }
}
