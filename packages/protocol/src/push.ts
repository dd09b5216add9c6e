import { z } from 'zod'
import { instant, timestamp, uuid } from './primitives.ts'

/*
 * Web Push: what a client registers and sets, and what its service worker receives.
 */

/** Devices that one person may have registered; one more takes the place of the oldest. */
export const PUSH_DEVICES_PER_USER = 20

const base64url = z.string().regex(/^[\w+/-]+={0,2}$/, 'must be base64url')

function bytes(text: string): number {
  return Math.floor((text.replace(/=+$/, '').length * 3) / 4)
}

/** Becomes the usual form of the address. */
const endpoint = z
  .url({ protocol: /^https$/ })
  .max(2_000)
  .transform((url) => new URL(url))
  .refine((url) => url.username === '' && url.password === '', 'must not carry credentials')
  .transform((url) => url.href)
  .refine((url) => url.length <= 2_000, 'is too long')

/** A browser's PushSubscription as its toJSON() gives it. */
export const pushSubscriptionBody = z.object({
  endpoint,
  expirationTime: z.number().nullish(),
  keys: z.object({
    p256dh: base64url.refine((key) => bytes(key) === 65 && /^B[A-P]/.test(key), 'must be an uncompressed P-256 point'),
    auth: base64url.refine((secret) => bytes(secret) === 16, 'must be 16 bytes'),
  }),
})
export type PushSubscriptionBody = z.infer<typeof pushSubscriptionBody>

export const pushSubscriptionParams = z.object({ subscriptionId: uuid })
/** A browser knows its endpoint, not our id. */
export const removePushSubscriptionBody = z.object({ endpoint })

export const pushSubscription = z.object({ id: z.string(), endpoint: z.string(), createdAt: instant })
export type PushSubscription = z.infer<typeof pushSubscription>

const localTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'must be a local time such as 22:00')
const timeZone = z.string().max(64).refine(isTimeZone, 'must be an IANA time zone such as Asia/Dhaka')

function isTimeZone(name: string): boolean {
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
    return true
  } catch {
    return false
  }
}

/** From `start` (included) to `end` (excluded), every day; past midnight where `end` is the earlier of the two. */
export const quietHours = z
  .object({ start: localTime, end: localTime, timeZone })
  .refine(({ start, end }) => start !== end, { message: 'must differ from start', path: ['end'] })

export const pushPreferences = z.object({
  /** False: notifications say "New message" in place of what was written. */
  showContent: z.boolean(),
  quietHours: quietHours.nullable(),
})
export type PushPreferences = z.infer<typeof pushPreferences>
/** Fields that are left out stay as they are. */
export const pushPreferencesBody = pushPreferences.partial()
export type PushPreferencesBody = z.infer<typeof pushPreferencesBody>

/** Muted until a moment; null ends it. */
export const muteBody = z.object({ until: timestamp.nullable() })

const position = { conversationId: z.string(), messageId: z.string() }

/** What a service worker finds in a push. `tag` names the notification that it replaces or closes. */
export const pushPayload = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('show'),
    title: z.string(),
    body: z.string(),
    tag: z.string(),
    icon: z.string().optional(),
    data: z.discriminatedUnion('type', [
      /** `messageId` and `seq` are the newest message's; `count` are summed up in this notification. */
      z.object({ type: z.literal('NEW_MESSAGE'), ...position, seq: z.int(), count: z.int() }),
      /** What came during quiet hours in several conversations; the position is that of the newest. */
      z.object({ type: z.literal('DIGEST'), ...position, count: z.int(), conversations: z.int() }),
    ]),
  }),
  /** Nothing to show: the person has read it elsewhere. */
  z.object({
    kind: z.literal('close'),
    tag: z.string(),
    data: z.object({ type: z.literal('CLOSE'), conversationId: z.string() }),
  }),
])
export type PushPayload = z.infer<typeof pushPayload>
