import { z } from 'zod'
import { LIMITS } from './limits.ts'
import { conversation, message } from './models.ts'
import { conversationId, paging, text, timestamp, userId } from './primitives.ts'

const SEARCH_SORTS = ['newest', 'best'] as const

const DATE = /^\d{4}-\d\d-\d\d$/

/** The query of GET /api/messages/search. `from` and `to` are inclusive; a date is a whole UTC day. */
export const searchMessagesQuery = z
  .object({
    ...paging(20),
    query: text(LIMITS.searchLength),
    conversationId: conversationId.optional(),
    senderId: userId.optional(),
    from: timestamp.optional(),
    to: z
      .string()
      .transform((value) => (DATE.test(value) ? `${value}T23:59:59.999999Z` : value))
      .pipe(timestamp)
      .optional(),
    sort: z.enum(SEARCH_SORTS).default('newest'),
  })
  .refine(({ from, to }) => from === undefined || to === undefined || Date.parse(from) <= Date.parse(to), {
    message: 'must not be after to',
    path: ['from'],
  })
export type SearchMessages = z.infer<typeof searchMessagesQuery>

/**
 * A match: `text`, found in the message's `content` (`attachmentId` is null) or in the `fileName` of one of its attachments,
 * from `start` up to but not including `end`, in UTF-16 code units. A word matched by its prefix is given whole. Matches in a
 * text are in order and do not overlap; each word of the query has at most a hundred.
 */
export const highlight = z.object({
  attachmentId: z.string().nullable(),
  start: z.int(),
  end: z.int(),
  text: z.string(),
})
export type Highlight = z.infer<typeof highlight>

/** A message that matches, with as much of its conversation as a list of results shows. */
export const searchHit = message.extend({
  conversation: conversation.pick({ id: true, type: true, name: true, participants: true }),
  highlights: z.array(highlight),
})
export type SearchHit = z.infer<typeof searchHit>
