import { z } from 'zod'
import { LIMITS } from './limits.ts'

/**
 * Postgres stores neither NUL nor a lone surrogate (its text is valid UTF-8 without U+0000), so both are refused where
 * text enters.
 */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

export const STORABLE = 'must be well-formed Unicode without NUL characters'

/**
 * A text's bound in UTF-16 code units. Zod's own `max` counts code points, of which one may be two units; it is what the
 * documents say as `maxLength`, and settles most texts.
 */
export function bounded<Schema extends z.ZodString | z.ZodURL>(schema: Schema, max: number) {
  const fits = (text: string) => text.length <= max
  return schema.max(max, { abort: true }).refine(fits, `must have at most ${max} UTF-16 code units`)
}

/** Text that can be stored, at most `max` UTF-16 code units long. Kept as sent: nothing is trimmed. */
export function storable(max: number) {
  return bounded(z.string(), max).refine(isStorableText, STORABLE)
}

/** The same, and not blank. */
export function text(max: number) {
  return storable(max).refine((value) => value.trim().length > 0, 'must not be blank')
}

/** A person's id as the embedding product chose it: 1 to 128 characters, no control characters, no white space around it. */
export const userId = bounded(z.string().min(1), LIMITS.userIdLength)
  .refine(isStorableText, STORABLE)
  .regex(/^\P{Cc}+$/u, 'must not contain control characters')
  .refine((id) => id === id.trim(), 'must not begin or end with white space')

/** Ids that Parley makes: UUIDs in any letter case, kept in lower case. */
export const uuid = z.guid().transform((id) => id.toLowerCase())
export const conversationId = uuid
export const messageId = uuid

/** Chosen by the client; a message is stored once for each (conversation, sender, clientMessageId). */
export const clientMessageId = text(LIMITS.clientMessageIdLength)

/** Chosen by the client; a group is created once for each (creator, clientConversationId). */
export const clientConversationId = text(LIMITS.clientMessageIdLength)

/** RFC 3339 in UTC with six digits of a second, as Parley writes it: instants compare as text. */
export const instant = z.iso.datetime({ precision: 6 })

/** A moment of this process's clock, which knows milliseconds. */
export function instantOf(date: Date): string {
  return date.toISOString().replace('Z', '000Z')
}

/** A date, and a time of it perhaps, with an offset perhaps. Of a fraction, what Postgres keeps: microseconds. */
const MOMENT = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.(\d{1,6})\d*)?)?(Z|[+-]\d\d:?\d\d)?)?$/i

/**
 * A moment in a query string: RFC 3339, a date, or milliseconds since 1970. A time without an offset is one in UTC, whatever
 * zone this process is in. Becomes RFC 3339 in UTC; microseconds are kept.
 */
export const timestamp = z
  .string()
  .max(64)
  .transform((value, ctx) => {
    const [moment, time, , , fraction, offset] = MOMENT.exec(value) ?? []
    const isLocal = time !== undefined && offset === undefined
    const date = new Date(/^\d{1,15}$/.test(value) ? Number(value) : `${moment}${isLocal ? 'Z' : ''}`)
    const year = date.getUTCFullYear()
    if (Number.isNaN(year) || year < 1 || year > 9999) {
      ctx.addIssue({ code: 'custom', message: 'must be a timestamp such as 2025-12-11T10:30:00Z' })
      return z.NEVER
    }
    return fraction === undefined ? date.toISOString() : date.toISOString().replace(/\d+Z$/, `${fraction}Z`)
  })

/** An integer in a query string, between `min` and `max`. */
export function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
}

/** `page` (from 1) and `limit` of a list, with the spec's default for `limit`. */
export function paging(defaultLimit: number) {
  return {
    page: integer(1, 1_000_000).default(1),
    limit: integer(1, LIMITS.pageSize).default(defaultLimit),
  }
}
