import { z } from 'zod'
import { ERRORS, type ErrorCode } from './errors.ts'
import { user } from './models.ts'
import { instant } from './primitives.ts'

/*
 * Responses that are not a model of their own, and the envelope around all responses. Used for documents and tests: the
 * servers type-check these values with TypeScript and do not parse what they send.
 */

const CODES = Object.keys(ERRORS) as [ErrorCode, ...ErrorCode[]]
const errorCode = z.enum(CODES)

/** The envelope of every failure. */
export const failureShape = z.object({
  success: z.literal(false),
  message: z.string().describe('For people, in English'),
  error: z.object({
    code: errorCode,
    message: z.string(),
    details: z.unknown().optional().describe('More about the error, such as the invalid fields: [{path, message}]'),
    retryAfterMs: z.number().optional().describe('Present if a retry may succeed: wait this many milliseconds first'),
    requestId: z
      .string()
      .optional()
      .describe('Over HTTP: the id of the request in the server’s log; also in the header x-request-id'),
  }),
})

/** Returns the envelope of a success with this `data`, and `meta` if given. */
export function successShape(data: z.ZodType, meta?: z.ZodType) {
  return z.object({
    success: z.literal(true),
    message: z.string().optional().describe('What was done, if there is something to say'),
    data,
    ...(meta === undefined ? {} : { meta }),
  })
}

export const pageMetaShape = z.object({
  page: z.int(),
  limit: z.int(),
  total: z.int(),
  totalPages: z.int(),
})
export type PageMeta = z.infer<typeof pageMetaShape>

/** At most the newest 1,000 matches are counted and can be paged through. */
export const searchMetaShape = pageMetaShape.extend({
  totalIsExact: z
    .boolean()
    .describe('False if there are or may be more matches than were counted; an earlier `to` reaches them'),
})
export type SearchMeta = z.infer<typeof searchMetaShape>

export const historyMetaShape = z.object({
  page: z.int(),
  limit: z.int(),
  total: z.int().describe('The number of messages in the conversation'),
  hasMore: z
    .boolean()
    .describe('Whether there are more messages in the direction of reading: older ones, or newer ones with afterSeq'),
})
export type HistoryMeta = z.infer<typeof historyMetaShape>

export const unreadCounts = z.object({
  total: z.int(),
  conversations: z.array(z.object({ conversationId: z.string(), unreadCount: z.int() })),
})

export const muted = z.object({ conversationId: z.string(), mutedUntil: instant.nullable() })
export const revokedTokens = z.object({ userId: z.string(), tokensValidFrom: instant })
export const devSession = z.object({ token: z.string(), user })
export const devSessionsAvailable = z.object({ available: z.literal(true) })
export const pushPublicKey = z.object({ publicKey: z.string().describe('The VAPID key, for `pushManager.subscribe`') })
export const renewedToken = z.object({
  expiresAt: instant.nullable().describe('When the new token expires; null if it does not expire'),
})
export const visibility = z.object({ visible: z.boolean() })

/** The acks of `typing` and `stopTyping`, and HTTP responses without data. */
export const nothing = z.null()
