import { z } from 'zod'
import { LIMITS } from './limits.ts'
import { conversationType, message, participantRole, user } from './models.ts'
import { conversationId, instant } from './primitives.ts'

/*
 * Catching up after having been away. Every change of a conversation, of whatever kind, takes the conversation's next
 * `rev`. A client keeps the rev it has of each conversation and asks what has changed since.
 *
 * A person's conversations are walked in the order of their ids. A call covers those with `after < id <= until`; the
 * answer says in `hasMore` and `after` where to go on. So a client may have any number of conversations: it sorts them,
 * names 1,000 a call and sets `until` to the last id named (to nothing in the last call).
 */

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i
const UPPER = /[A-F]/

/**
 * Conversations with the rev that is known of each. Looked through by hand: as a z.record, the twenty of a usual client took
 * 60 microseconds, a good part of what all of its connecting takes.
 */
const knownRevs = z
  .unknown()
  .check((checked) => {
    const refuse = (message: string, path: string[] = []) =>
      checked.issues.push({ code: 'custom', message, path, input: checked.value })
    if (!isPlainObject(checked.value))
      return void refuse(checked.value === undefined ? 'is missing' : 'must be an object of revs by conversation id')
    const known = Object.entries(checked.value)
    if (known.length > LIMITS.syncConversations) {
      return void refuse(`must name at most ${LIMITS.syncConversations} conversations a call`)
    }
    for (const [id, rev] of known) {
      if (!UUID.test(id)) refuse('must be a UUID', [id])
      else if (!isRev(rev)) refuse('must be a whole number of at least 0', [id])
    }
    if (known.some(([id]) => UPPER.test(id))) {
      checked.value = Object.fromEntries(known.map(([id, rev]) => [id.toLowerCase(), rev]))
    }
  })
  .meta({
    type: 'object',
    propertyNames: { type: 'string', format: 'uuid' },
    additionalProperties: { type: 'integer', minimum: 0 },
  }) as unknown as z.ZodType<Record<string, number>, Record<string, number>>

function isRev(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** What `sync` and `POST /api/messages/sync` take. */
export const syncBody = z.object({
  /** The rev that the client has of each conversation it knows. `{}` asks for everything. */
  conversations: knownRevs,
  after: conversationId.nullish(),
  until: conversationId.nullish(),
})
export type SyncRequest = z.infer<typeof syncBody>

/** A member who is new or has changed (role, read mark). Presence does not come this way; see `getOnlineUsers`. */
export const syncedMember = user.extend({
  role: participantRole,
  lastReadSeq: z.int(),
  /** Messages up to this seq were there before the person joined. */
  joinedSeq: z.int(),
})
export type SyncedMember = z.infer<typeof syncedMember>

/** A conversation that changed, with its counters as they are now. */
export const syncedConversation = z.object({
  id: z.string(),
  type: conversationType,
  name: z.string().nullable(),
  createdBy: z.string(),
  participantCount: z.int(),
  lastSeq: z.int(),
  rev: z.int(),
  createdAt: instant,
  updatedAt: instant,
  /** The asker's own. */
  lastReadSeq: z.int(),
  joinedSeq: z.int(),
  unreadCount: z.int(),
  /** The client did not name it: `members` are all of them (100 at most), `messages` the newest one. */
  joined: z.boolean(),
  /** More has changed than is told here: `messages` holds the newest one only; fetch the page that is shown anew. */
  tooLong: z.boolean(),
  /** New messages and changed ones, in rising order of seq. */
  messages: z.array(message),
  members: z.array(syncedMember),
  /** Ids of those who are no longer in it. */
  gone: z.array(z.string()),
})
export type SyncedConversation = z.infer<typeof syncedConversation>

export const syncAnswer = z.object({
  conversations: z.array(syncedConversation),
  /** Ids that the client named and that the asker is not, or no longer, in. */
  left: z.array(z.string()),
  hasMore: z.boolean(),
  /** All conversations up to this id are answered; null when there is no more. */
  after: z.string().nullable(),
})
export type SyncAnswer = z.infer<typeof syncAnswer>
