import { z } from 'zod'
import { LIMITS } from './limits.ts'
import { conversationType, message, participantRole, user } from './models.ts'
import { conversationId, instant } from './primitives.ts'

/*
 * Sync: catching up after being offline. Every change of a conversation, of whatever kind, takes the conversation's next
 * `rev`. A client remembers the rev it has of each conversation and asks for what has changed since.
 *
 * A person's conversations are traversed in the order of their ids. A call covers those with `after < id <= until`, and its
 * response says in `hasMore` and `after` whether and where to continue. A client may thus have any number of conversations: it
 * sorts them, lists 1,000 per call and sets `until` to the last id listed (and leaves it out in the last call).
 *
 * Revs and seqs are valid within one history of the database. A restore or a failover may start another one: see `epoch`.
 */

const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i
const UPPER = /[A-F]/

/**
 * The known rev of each conversation. Validated by hand: as a z.record, the twenty conversations of a typical client took 60
 * microseconds, a good part of the cost of connecting.
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

/** The request of `sync` and of `POST /api/messages/sync`. */
export const syncBody = z.object({
  /** The rev that the client has of each conversation it knows. `{}` requests everything. */
  conversations: knownRevs,
  after: conversationId.nullish(),
  until: conversationId.nullish(),
  /** The `epoch` of the answer that the revs are of, as it was. */
  epoch: z.string().max(LIMITS.epochLength).nullish(),
})
export type SyncRequest = z.infer<typeof syncBody>

/** A member who is new or has changed (role, read mark). Presence is not part of sync; see `getOnlineUsers`. */
export const syncedMember = user.extend({
  role: participantRole,
  lastReadSeq: z.int(),
  /** Messages up to this seq precede the person's joining. */
  joinedSeq: z.int(),
})
export type SyncedMember = z.infer<typeof syncedMember>

/** A conversation that changed, with its current counters. */
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
  /** The person's own read mark. */
  lastReadSeq: z.int(),
  joinedSeq: z.int(),
  unreadCount: z.int(),
  /** The client did not list it: `members` holds all members (at most 100), `messages` the newest message. */
  joined: z.boolean(),
  /** There are more changes than fit: `messages` holds only the newest; fetch the displayed page again. */
  tooLong: z.boolean(),
  /**
   * Present if the server may have lost a part of what the client knows of the conversation. The client discards what it knows and
   * starts over with this entry, whose `members` are all members (100 at most). Messages up to this seq are unchanged; those after
   * it are different ones, whatever the client had there. Null: it is not known up to where.
   */
  lostAfterSeq: z.int().nullable().optional(),
  /** New and changed messages, in ascending order of seq. */
  messages: z.array(message),
  members: z.array(syncedMember),
  /** Ids of people who are no longer members. */
  gone: z.array(z.string()),
})
export type SyncedConversation = z.infer<typeof syncedConversation>

export const syncAnswer = z.object({
  conversations: z.array(syncedConversation),
  /** Ids that the client listed of conversations that the person is not a member of (any more). */
  left: z.array(z.string()),
  hasMore: z.boolean(),
  /** All conversations up to this id are covered; null if there are no more. */
  after: z.string().nullable(),
  /** Names the history that the server's database follows; to be told with the next sync. Servers of before have none. */
  epoch: z.string().optional(),
})
export type SyncAnswer = z.infer<typeof syncAnswer>
