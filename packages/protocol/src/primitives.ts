import { z } from 'zod'
import { LIMITS } from './limits.ts'

/**
 * Whether Postgres can store the text. It stores neither NUL nor lone surrogates (its text is valid UTF-8 without U+0000),
 * so both are rejected on input.
 */
export function isStorableText(text: string): boolean {
  return text.isWellFormed() && !text.includes('\0')
}

export const STORABLE = 'must be well-formed Unicode without NUL characters'

/**
 * Limits a string to `max` UTF-16 code units. Zod's own `max` counts code points, which may take two units each; it is kept
 * because it becomes `maxLength` in the documents and rejects most long strings.
 */
export function bounded<Schema extends z.ZodString | z.ZodURL>(schema: Schema, max: number) {
  const fits = (text: string) => text.length <= max
  return schema.max(max, { abort: true }).refine(fits, `must have at most ${max} UTF-16 code units`)
}

/** Returns a schema for text that can be stored, of at most `max` UTF-16 code units. The text is kept as sent, not trimmed. */
export function storable(max: number) {
  return bounded(z.string(), max).refine(isStorableText, STORABLE)
}

/** Returns a schema like {@link storable} that also rejects blank text. */
export function text(max: number) {
  return storable(max).refine((value) => value.trim().length > 0, 'must not be blank')
}

/** A user id, chosen by the embedding product: 1 to 128 characters, no control characters, no surrounding white space. */
export const userId = bounded(z.string().min(1), LIMITS.userIdLength)
  .refine(isStorableText, STORABLE)
  .regex(/^\P{Cc}+$/u, 'must not contain control characters')
  .refine((id) => id === id.trim(), 'must not begin or end with white space')

/** An id made by Parley: a UUID in any letter case, converted to lower case. */
export const uuid = z.guid().transform((id) => id.toLowerCase())
export const conversationId = uuid
export const messageId = uuid

/** Chosen by the client; only one message is stored for each (conversation, sender, clientMessageId). */
export const clientMessageId = text(LIMITS.clientMessageIdLength)

/** Chosen by the client; only one group is created for each (creator, clientConversationId). */
export const clientConversationId = text(LIMITS.clientMessageIdLength)

/** RFC 3339 in UTC with six fractional digits, as Parley writes it: instants compare correctly as text. */
export const instant = z.iso.datetime({ precision: 6 })

/** Formats a Date, which has milliseconds, as an instant. */
export function instantOf(date: Date): string {
  return date.toISOString().replace('Z', '000Z')
}

/** A date with an optional time and offset. Captures at most six fractional digits: Postgres keeps microseconds. */
const MOMENT = /^(\d{4}-\d\d-\d\d)([T ]\d\d:\d\d(:\d\d(\.(\d{1,6})\d*)?)?(Z|[+-]\d\d:?\d\d)?)?$/i

/** Returns whether the calendar has this day. Date accepts the 31st of any month and turns it into a day of the next one. */
function isInCalendar(day: string): boolean {
  return new Date(day).toISOString().startsWith(day)
}

export const INVALID_TIMESTAMP = 'must be a timestamp such as 2025-12-11T10:30:00Z'

/**
 * A time in a query string: RFC 3339, a date, or milliseconds since 1970. A time without an offset is in UTC, whatever the time
 * zone of the process. Converted to RFC 3339 in UTC; microseconds are kept.
 */
export const timestamp = z
  .string()
  .max(64)
  .transform((value, ctx) => {
    const [moment, day, time, , , fraction, offset] = MOMENT.exec(value) ?? []
    const isLocal = time !== undefined && offset === undefined
    const date = new Date(/^\d{1,15}$/.test(value) ? Number(value) : `${moment}${isLocal ? 'Z' : ''}`)
    const year = date.getUTCFullYear()
    if (Number.isNaN(year) || year < 1 || year > 9999 || (day !== undefined && !isInCalendar(day))) {
      ctx.addIssue({ code: 'custom', message: INVALID_TIMESTAMP })
      return z.NEVER
    }
    return fraction === undefined ? date.toISOString() : date.toISOString().replace(/\d+Z$/, `${fraction}Z`)
  })

/** Returns a schema for an integer between `min` and `max` in a query string. */
export function integer(min: number, max: number) {
  return z
    .string()
    .regex(/^-?\d{1,16}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(min).max(max))
}

/** Returns the fields `page` (from 1) and `limit` of a list, with the specification's default for `limit`. */
export function paging(defaultLimit: number) {
  return {
    page: integer(1, 1_000_000).default(1),
    limit: integer(1, LIMITS.pageSize).default(defaultLimit),
  }
}
