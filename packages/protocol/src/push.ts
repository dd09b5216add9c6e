import { z } from 'zod'
import { instant, timestamp, uuid } from './primitives.ts'

/*
 * Web Push: what a client registers and configures, and what its service worker receives.
 */

/** The most devices that a person may register; another one replaces the oldest. */
export const PUSH_DEVICES_PER_USER = 20

const base64url = z.string().regex(/^[\w+/-]+={0,2}$/, 'must be base64url')

function bytes(text: string): number {
  return Math.floor((text.replace(/=+$/, '').length * 3) / 4)
}

/** Normalized by the URL parser. */
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
/** A browser knows its endpoint but not our id. */
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

/** Every day from `start` (inclusive) to `end` (exclusive), across midnight if `end` is the earlier. */
export const quietHours = z
  .object({ start: localTime, end: localTime, timeZone })
  .refine(({ start, end }) => start !== end, { message: 'must differ from start', path: ['end'] })

export const pushPreferences = z.object({
  /** If false, notifications say "New message" instead of the message's content. */
  showContent: z.boolean(),
  quietHours: quietHours.nullable(),
})
export type PushPreferences = z.infer<typeof pushPreferences>
/** Omitted fields stay as they are. */
export const pushPreferencesBody = pushPreferences.partial()
export type PushPreferencesBody = z.infer<typeof pushPreferencesBody>

/** Mutes until this time; null unmutes. */
export const muteBody = z.object({ until: timestamp.nullable() })

const position = { conversationId: z.string(), messageId: z.string() }

/** The payload of a push, for the service worker. `tag` identifies the notification to replace or close. */
export const pushPayload = z.discriminatedUnion('kind', [
  z.object({
    kind: z.literal('show'),
    title: z.string(),
    body: z.string(),
    tag: z.string(),
    icon: z.string().optional(),
    data: z.discriminatedUnion('type', [
      /** `messageId` and `seq` are those of the newest message; `count` is the number of messages in this notification. */
      z.object({ type: z.literal('NEW_MESSAGE'), ...position, seq: z.int(), count: z.int() }),
      /** Messages in several conversations during quiet hours; the position is that of the newest. */
      z.object({ type: z.literal('DIGEST'), ...position, count: z.int(), conversations: z.int() }),
    ]),
  }),
  /** The person has read the messages elsewhere: nothing to show. */
  z.object({
    kind: z.literal('close'),
    tag: z.string(),
    data: z.object({ type: z.literal('CLOSE'), conversationId: z.string() }),
  }),
])
export type PushPayload = z.infer<typeof pushPayload>
