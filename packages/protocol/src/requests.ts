import { z } from 'zod'
import { attachmentId } from './attachments.ts'
import { LIMITS } from './limits.ts'
import { conversationType, messageType } from './models.ts'
import {
  bounded,
  clientConversationId,
  clientMessageId,
  conversationId,
  INVALID_TIMESTAMP,
  integer,
  isStorableText,
  messageId,
  paging,
  STORABLE,
  storable,
  text,
  timestamp,
  userId,
} from './primitives.ts'
import { syncBody } from './sync.ts'

/*
 * Requests over HTTP and over sockets. Unknown fields are ignored, since a client may be newer than the server; known fields
 * must be valid.
 */

const groupName = text(LIMITS.nameLength)
const searchText = storable(LIMITS.searchLength)

/** The people to add to a conversation; duplicate ids count once. */
const userIds = z
  .array(userId)
  .min(1)
  .max(LIMITS.groupSize)
  .transform((ids) => [...new Set(ids)])

/** The types a client may send. SYSTEM messages come from the server only. */
const sendableType = messageType.exclude(['SYSTEM'])

export const conversationParams = z.object({ conversationId })
export const participantParams = z.object({ conversationId, userId })
export const userParams = z.object({ userId })

/** The person for whom one of the product's servers acts: the id is percent-encoded, since headers carry only ASCII. */
export const actAsHeader = z.object({
  'x-act-as': z
    .string()
    .transform((text, ctx) => {
      try {
        return decodeURIComponent(text)
      } catch {
        ctx.addIssue({ code: 'custom', message: 'must be percent-encoded as in an address' })
        return z.NEVER
      }
    })
    .pipe(userId),
})

export const createConversationBody = z.object({
  participantIds: userIds,
  type: conversationType.default('DIRECT'),
  name: groupName.nullish(),
  /** For groups; a DIRECT conversation is unique anyway. */
  clientConversationId: clientConversationId.nullish(),
})
export type CreateConversation = z.infer<typeof createConversationBody>

export const updateConversationBody = z.object({ name: groupName.nullable() })
export const addParticipantsBody = z.object({ userIds })

export const listConversationsQuery = z.object({ ...paging(20), search: searchText.optional() })
export type ListConversations = z.infer<typeof listConversationsQuery>

const SEQ_MAX = Number.MAX_SAFE_INTEGER
/** At most one of `before`, `beforeSeq` and `afterSeq`. */
export const listMessagesQuery = z
  .object({
    ...paging(50),
    before: timestamp.optional(),
    beforeSeq: integer(1, SEQ_MAX).optional(),
    afterSeq: integer(0, SEQ_MAX).optional(),
  })
  .refine(
    (query) => [query.before, query.beforeSeq, query.afterSeq].filter((bound) => bound !== undefined).length <= 1,
    { message: 'use one of before, beforeSeq and afterSeq', path: ['before'] },
  )
export type ListMessages = z.infer<typeof listMessagesQuery>

const messageFields = {
  /** May be empty if there are attachments. */
  content: storable(LIMITS.contentLength).default(''),
  /** Defaults to TEXT, or to the type that matches the attachments. */
  type: sendableType.optional(),
  clientMessageId: clientMessageId.nullish(),
  /** The sender's own finished uploads in this conversation. */
  attachments: z
    .array(z.object({ id: attachmentId }))
    .max(LIMITS.attachmentsPerMessage)
    .refine((all) => new Set(all.map(({ id }) => id)).size === all.length, 'must not name the same one twice')
    .nullish()
    .transform((all) => all ?? []),
}

/** Checks that a message has content or attachments, and that its type matches. */
function isWholeMessage({ value, issues }: z.core.ParsePayload<Pick<PostMessage, 'content' | 'type' | 'attachments'>>) {
  const refuse = (path: string, message: string) => issues.push({ code: 'custom', input: value, path: [path], message })
  const { content, type, attachments } = value
  if (attachments.length === 0) {
    if (content.trim() === '') refuse('content', 'must not be blank')
    if (type !== undefined && type !== 'TEXT') refuse('attachments', `a message of type ${type} has attachments`)
  } else if (type === 'TEXT') {
    refuse('type', 'a message with attachments is FILE, IMAGE, VIDEO or AUDIO')
  }
}

const messageObject = z.object(messageFields)
export type PostMessage = z.infer<typeof messageObject>
export const postMessageBody = messageObject.check(isWholeMessage)
/** The fields of a message sent as a form, without its files. */
export const messageForm = messageObject.omit({ attachments: true })

export const markAsReadBody = z.object({ messageId })
export const searchUsersQuery = z.object({ ...paging(20), search: searchText.optional() })

/** Kept as sent. A URL may contain NUL or a lone surrogate, which the URL parser escapes, so both are checked here. */
const profilePhoto = bounded(z.url({ protocol: /^https?$/ }), LIMITS.photoLength).refine(isStorableText, STORABLE)

export const userBody = z.object({ fullName: text(LIMITS.nameLength), profilePhoto: profilePhoto.nullish() })
export type UserBody = z.infer<typeof userBody>
export const upsertUsersBody = z.object({
  users: z
    .array(userBody.extend({ id: userId }))
    .min(1)
    .max(LIMITS.usersPerRequest),
})

/** Without `before`, revokes all tokens issued until now. */
export const revokeTokensBody = z
  .object({
    before: z.union([timestamp, z.int().min(0).transform(String).pipe(timestamp)], INVALID_TIMESTAMP).nullish(),
  })
  .nullish()
  .transform((body) => body ?? {})

export const devSessionBody = z.object({
  user: z.union(
    [
      userId.transform((id) => ({ id })),
      z.object({ id: userId, fullName: text(LIMITS.nameLength).optional(), profilePhoto: profilePhoto.nullish() }),
    ],
    'must be an id, or an object with an id and optionally fullName and profilePhoto',
  ),
})

/** Payloads of the events that a client may send. Any other event is rejected with UNKNOWN_EVENT. */
export const clientEvents = {
  sendMessage: messageObject.extend({ conversationId }).check(isWholeMessage),
  typing: z.object({ conversationId }),
  stopTyping: z.object({ conversationId }),
  markAsRead: z.object({ conversationId, messageId }),
  getOnlineUsers: z.unknown(),
  /** Whether the person is looking at the application on this connection; assumed until the client says otherwise. */
  setVisibility: z.object({ visible: z.boolean() }),
  sync: syncBody,
  /** Replaces the socket's token with a newer one of the same person. */
  renewToken: z.object({ token: z.string().max(LIMITS.tokenLength) }),
} as const
export type ClientEvents = { [Name in keyof typeof clientEvents]: z.infer<(typeof clientEvents)[Name]> }
export type ClientEventName = keyof ClientEvents
