import { generateVapidPair } from '@parley/local'

/** Generates a VAPID key pair (RFC 8292) and returns the settings that enable push with it. */
export function vapidSettings(): Record<'VAPID_PUBLIC_KEY' | 'VAPID_PRIVATE_KEY' | 'VAPID_SUBJECT', string> {
  const { publicKey, privateKey } = generateVapidPair()
  return { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: 'mailto:tests@parley.example' }
}
