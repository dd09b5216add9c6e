import { createECDH } from 'node:crypto'
import { z } from 'zod'
import { defineSettings, SettingsError, type SettingsOf, setting } from './config.ts'
import type { OutboundPolicy } from './outbound.ts'
import { flag, wholeNumber } from './setting-values.ts'

/** An uncompressed P-256 point, and a P-256 scalar, in base64url without padding. */
const publicKey = z.string().regex(/^B[A-P][\w-]{85}$/)
const privateKey = z.string().regex(/^[\w-]{43}$/)

/** What the registration of devices needs. */
export const pushRegistrationSettings = defineSettings({
  VAPID_PUBLIC_KEY: setting(publicKey.optional(), 'The public key of web push; without it push is off', {
    expected: 'a public key as `npm run vapid` prints it',
  }),
  PUSH_ALLOW_PRIVATE_ENDPOINTS: setting(flag, 'Let push endpoints be on loopback, for tests; refused in production', {
    expected: 'true or false',
    default: 'false',
  }),
})

/** Everything a worker needs to push. */
export const pushSettings = defineSettings({
  ...pushRegistrationSettings,
  VAPID_PRIVATE_KEY: setting(privateKey.optional(), 'The private key of web push, of one pair with VAPID_PUBLIC_KEY', {
    expected: 'a private key as `npm run vapid` prints it',
    credential: true,
  }),
  VAPID_SUBJECT: setting(
    z.union([z.string().regex(/^mailto:[^\s@]+@[^\s@]+$/), z.url({ protocol: /^https$/ })]).optional(),
    'Whom a push service may turn to about these pushes',
    {
      expected: 'a mailto: address or an https:// URL that somebody reads',
      developmentDefault: 'mailto:push@parley.example',
    },
  ),
  PUSH_TTL_SECONDS: setting(wholeNumber(1, 2_419_200), 'How long an undelivered push is worth delivering, in seconds', {
    expected: 'a number of seconds, from 1 to four weeks',
    default: '86400',
  }),
  PUSH_GATHER_MS: setting(
    wholeNumber(0, 10_000),
    'How long a push waits for more messages of its conversation, in milliseconds; part of the delay of every push',
    { expected: 'a number of milliseconds, 10000 at most', default: '400' },
  ),
  PUSH_BURST_MS: setting(
    wholeNumber(0, 600_000),
    'Least time between two notifications of one conversation on one device, in milliseconds; what comes within is summed up',
    { expected: 'a number of milliseconds, 600000 at most', default: '3000' },
  ),
  PUSH_CONCURRENCY: setting(wholeNumber(1, 2_000), 'People whom one worker notifies at the same time', {
    expected: 'a number from 1 to 2000',
    default: '128',
  }),
  PUSH_PER_HOST: setting(wholeNumber(1, 1_000), 'Connections that one worker holds to one push service', {
    expected: 'a number from 1 to 1000',
    default: '64',
  }),
})

/** The key pair of VAPID (RFC 8292) and whom to turn to about it. */
export interface VapidKeys {
  publicKey: string
  privateKey: string
  subject: string
}

type Registration = SettingsOf<typeof pushRegistrationSettings> & { NODE_ENV: string }

/**
 * Which addresses push endpoints may have.
 * @throws SettingsError private endpoints in production
 */
export function pushEndpointPolicy(settings: Registration): OutboundPolicy {
  const { PUSH_ALLOW_PRIVATE_ENDPOINTS: allowLoopback, NODE_ENV } = settings
  if (allowLoopback && NODE_ENV === 'production') {
    throw refusal('PUSH_ALLOW_PRIVATE_ENDPOINTS', 'must not be true in production')
  }
  return { allowLoopback }
}

/**
 * The key pair that the settings hold, or null where push is off.
 * @throws SettingsError half a key pair, keys of two pairs, or keys without a subject
 */
export function vapidKeysOf(settings: SettingsOf<typeof pushSettings>): VapidKeys | null {
  const { VAPID_PUBLIC_KEY: publicKey, VAPID_PRIVATE_KEY: privateKey, VAPID_SUBJECT: subject } = settings
  if (publicKey === undefined && privateKey === undefined) return null
  if (publicKey === undefined) throw refusal('VAPID_PUBLIC_KEY', 'is missing: VAPID_PRIVATE_KEY is set')
  if (privateKey === undefined) throw refusal('VAPID_PRIVATE_KEY', 'is missing: VAPID_PUBLIC_KEY is set')
  if (publicKeyOf(privateKey) !== publicKey) {
    throw refusal('VAPID_PRIVATE_KEY', 'is not of one pair with VAPID_PUBLIC_KEY: every push would be refused')
  }
  if (subject === undefined) throw refusal('VAPID_SUBJECT', 'is missing: it goes with the VAPID keys')
  return { publicKey, privateKey, subject }
}

/** The public key that goes with a private one, or null where it is no scalar of the curve. */
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
