import { z } from 'zod'
import { instant } from './primitives.ts'

/*
 * The models, as the server shows them. Each has one shape in history, events, acks and search. Clients must ignore fields
 * that they do not know: a later version may add some.
 */

export const MESSAGE_TYPES = ['TEXT', 'FILE', 'IMAGE', 'VIDEO', 'AUDIO', 'SYSTEM'] as const
export const messageType = z.enum(MESSAGE_TYPES)
export type MessageType = z.infer<typeof messageType>

export const CONVERSATION_TYPES = ['DIRECT', 'GROUP'] as const
export const conversationType = z.enum(CONVERSATION_TYPES)
export type ConversationType = z.infer<typeof conversationType>

export const PARTICIPANT_ROLES = ['OWNER', 'MEMBER'] as const
export const participantRole = z.enum(PARTICIPANT_ROLES)
export type ParticipantRole = z.infer<typeof participantRole>

export const user = z.object({
  /** Chosen by the embedding product. */
  id: z.string(),
  fullName: z.string(),
  /** The URL of a picture. */
  profilePhoto: z.string().nullable(),
})
export type User = z.infer<typeof user>

/** A member of a conversation. In groups of more than 100 people, `isOnline` and `lastSeen` stay false and null. */
export const participant = user.extend({
  role: participantRole,
  isOnline: z.boolean(),
  /** When they went offline, RFC 3339; null if unknown. */
  lastSeen: instant.nullable(),
  /** The person has read everything up to and including this seq. */
  lastReadSeq: z.int(),
})
export type Participant = z.infer<typeof participant>

/** What is stored of an attachment. It does not change while the message exists. */
export const storedAttachment = z.object({
  id: z.string(),
  fileName: z.string(),
  /** Size in bytes. */
  fileSize: z.int(),
  /** Media type, detected from the content. */
  fileType: z.string(),
  /** Size in pixels as displayed (with the EXIF orientation applied), for images that could be decoded. */
  width: z.int().optional(),
  height: z.int().optional(),
  /** A tiny placeholder image as a data: URL, for images that could be decoded. */
  preview: z.string().optional(),
})
export type StoredAttachment = z.infer<typeof storedAttachment>

export const attachment = storedAttachment.extend({
  /** A URL that anybody can fetch the file from, without a token, until it expires. */
  url: z.string(),
})
export type Attachment = z.infer<typeof attachment>

const change = {
  /** One of the product's servers made the change in the sender's name, so it counts as unread for them. */
  byService: z.literal(true).optional(),
}

/** What a SYSTEM message says, for clients that show it in their own language; `content` says it in English. */
export const systemEvent = z.discriminatedUnion('event', [
  z.object({ event: z.literal('participantsAdded'), userIds: z.array(z.string()), ...change }),
  z.object({ event: z.literal('participantRemoved'), userIds: z.array(z.string()), ...change }),
  z.object({ event: z.literal('participantLeft'), userIds: z.array(z.string()), ...change }),
  z.object({ event: z.literal('renamed'), name: z.string().nullable(), ...change }),
])
export type SystemEvent = z.infer<typeof systemEvent>

export const message = z.object({
  id: z.string(),
  conversationId: z.string(),
  /** Numbers the conversation's messages 1, 2, 3 and so on without gaps, in the order in which they were stored. */
  seq: z.int(),
  /** The conversation's rev at which this message last changed; see `sync`. */
  rev: z.int(),
  senderId: z.string(),
  /** The sender's current profile. */
  sender: user,
  /** Plain text; '' if there are only attachments. */
  content: z.string(),
  type: messageType,
  attachments: z.array(attachment),
  /** Ids of the members who have read it, the sender's first. */
  readBy: z.array(z.string()),
  /** The client-generated id; the message's id if the client gave none. */
  clientMessageId: z.string(),
  /** What a SYSTEM message says; null for other types. */
  system: systemEvent.nullable(),
  /** When it was stored: RFC 3339 in UTC with six fractional digits. Increases with seq. */
  createdAt: instant,
  updatedAt: instant,
})
export type Message = z.infer<typeof message>

export const conversation = z.object({
  id: z.string(),
  type: conversationType,
  /** The name of a group, if it has one. */
  name: z.string().nullable(),
  /** The id of its creator. */
  createdBy: z.string(),
  /** The requesting person last, after the others. */
  participants: z.array(participant),
  /** The number of members; in a list, `participants` may hold fewer (at most 100). */
  participantCount: z.int(),
  lastMessage: message.nullable(),
  /** The number of messages after the person's read mark: `lastSeq - lastReadSeq`. */
  unreadCount: z.int(),
  /** The seq of the newest message; 0 if there is none. */
  lastSeq: z.int(),
  /** The person's own read mark. */
  lastReadSeq: z.int(),
  /** Counts changes of every kind; see `sync`. */
  rev: z.int(),
  createdAt: instant,
  /** When its newest message was stored, or it was created: RFC 3339 in UTC. */
  updatedAt: instant,
})
export type Conversation = z.infer<typeof conversation>
