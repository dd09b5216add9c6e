import { createECDH } from 'node:crypto'
import { z } from 'zod'
import { defineSettings, SettingsError, type SettingsOf, setting } from './config.ts'
import type { OutboundPolicy } from './outbound.ts'
import { flag, wholeNumber } from './setting-values.ts'

/** An uncompressed P-256 point, and a P-256 scalar, in base64url without padding. */
const publicKey = z.string().regex(/^B[A-P][\w-]{85}$/)
const privateKey = z.string().regex(/^[\w-]{43}$/)

/** Settings for registering devices. */
export const pushRegistrationSettings = defineSettings({
  VAPID_PUBLIC_KEY: setting(publicKey.optional(), 'The public key for web push; without it push is off', {
    expected: 'a public key as printed by `npm run vapid`',
  }),
  PUSH_ALLOW_PRIVATE_ENDPOINTS: setting(
    flag,
    'Whether to allow push endpoints on loopback, for tests; refused in production',
    {
      expected: 'true or false',
      default: 'false',
    },
  ),
})

/** All settings with which a worker sends pushes. */
export const pushSettings = defineSettings({
  ...pushRegistrationSettings,
  VAPID_PRIVATE_KEY: setting(privateKey.optional(), 'The private key for web push, matching VAPID_PUBLIC_KEY', {
    expected: 'a private key as printed by `npm run vapid`',
    credential: true,
  }),
  VAPID_SUBJECT: setting(
    z.union([z.string().regex(/^mailto:[^\s@]+@[^\s@]+$/), z.url({ protocol: /^https$/ })]).optional(),
    'The contact for push services about these pushes',
    {
      expected: 'a mailto: address or an https:// URL that somebody reads',
      developmentDefault: 'mailto:push@parley.example',
    },
  ),
  PUSH_TTL_SECONDS: setting(wholeNumber(1, 2_419_200), 'How long push services keep an undelivered push, in seconds', {
    expected: 'a number of seconds, from 1 to four weeks',
    default: '86400',
  }),
  PUSH_GATHER_MS: setting(
    wholeNumber(0, 10_000),
    'How long a push waits for more messages of its conversation, in milliseconds; adds to the delay of every push',
    { expected: 'a number of milliseconds, 10000 at most', default: '400' },
  ),
  PUSH_BURST_MS: setting(
    wholeNumber(0, 600_000),
    'Minimum time between two notifications of a conversation on a device, in milliseconds; others are summarised',
    { expected: 'a number of milliseconds, 600000 at most', default: '3000' },
  ),
  PUSH_CONCURRENCY: setting(wholeNumber(1, 2_000), 'Users that one worker notifies concurrently', {
    expected: 'a number from 1 to 2000',
    default: '128',
  }),
  PUSH_PER_HOST: setting(wholeNumber(1, 1_000), 'Maximum number of connections of one worker to one push service', {
    expected: 'a number from 1 to 1000',
    default: '64',
  }),
})

/** The VAPID key pair (RFC 8292) and its contact. */
export interface VapidKeys {
  publicKey: string
  privateKey: string
  subject: string
}

type Registration = SettingsOf<typeof pushRegistrationSettings> & { NODE_ENV: string }

/**
 * Returns which addresses push endpoints may have.
 * @throws {SettingsError} if private endpoints are allowed in production
 */
export function pushEndpointPolicy(settings: Registration): OutboundPolicy {
  const { PUSH_ALLOW_PRIVATE_ENDPOINTS: allowLoopback, NODE_ENV } = settings
  if (allowLoopback && NODE_ENV === 'production') {
    throw refusal('PUSH_ALLOW_PRIVATE_ENDPOINTS', 'must not be true in production')
  }
  return { allowLoopback }
}

/**
 * Returns the key pair from the settings, or null if push is off.
 * @throws {SettingsError} if one key is missing, the keys do not match, or there is no subject
 */
export function vapidKeysOf(settings: SettingsOf<typeof pushSettings>): VapidKeys | null {
  const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: subject } = settings
  if (publicKey === undefined && privateKey === undefined) return null
  if (publicKey === undefined) throw refusal('VAPID_PUBLIC_KEY', 'is missing: VAPID_PRIVATE_KEY is set')
  if (privateKey === undefined) throw refusal('VAPID_PRIVATE_KEY', 'is missing: VAPID_PUBLIC_KEY is set')
  if (publicKeyOf(privateKey) !== publicKey) {
    throw refusal('VAPID_PRIVATE_KEY', 'does not match VAPID_PUBLIC_KEY: every push would be refused')
  }
  if (subject === undefined) throw refusal('VAPID_SUBJECT', 'is missing: it is required with the VAPID keys')
  return { publicKey, privateKey, subject }
}

/** Returns the public key of a private one, or null if that is not a scalar of the curve. */
function publicKeyOf(privateKey: string): string | null {
  const curve = createECDH('prime256v1')
  try {
    curve.setPrivateKey(privateKey, 'base64url')
  } catch {
    return null
  }
  return curve.getPublicKey('base64url')
}

function refusal(variable: string, message: string): SettingsError {
  return new SettingsError([{ variable, message }])
}
