import { z } from 'zod'
import { instant } from './primitives.ts'

/*
 * What the server shows of its nouns. One shape each, the same in history, events, acks and search. Clients must ignore
 * fields they do not know: a later version may add some.
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
  /** As the embedding product chose it. */
  id: z.string(),
  fullName: z.string(),
  /** The address of a picture. */
  profilePhoto: z.string().nullable(),
})
export type User = z.infer<typeof user>

/** A person as a conversation shows them. `isOnline` and `lastSeen` stay false and null in groups past 100 people. */
export const participant = user.extend({
  role: participantRole,
  isOnline: z.boolean(),
  /** When they went offline, RFC 3339; null where that is not known. */
  lastSeen: instant.nullable(),
  /** The person has read everything up to and including this seq. */
  lastReadSeq: z.int(),
})
export type Participant = z.infer<typeof participant>

/** What is stored of an attachment and stays the same for as long as the message lives. */
export const storedAttachment = z.object({
  id: z.string(),
  fileName: z.string(),
  /** Bytes. */
  fileSize: z.int(),
  /** A media type, found out from the bytes. */
  fileType: z.string(),
  /** Pixels, the way the picture is shown (its EXIF orientation applied); of images that could be read. */
  width: z.int().optional(),
  height: z.int().optional(),
  /** A tiny picture to show until the real one is there, as a data: URL; of images that could be read. */
  preview: z.string().optional(),
})
export type StoredAttachment = z.infer<typeof storedAttachment>

export const attachment = storedAttachment.extend({
  /** Where the file can be fetched by whoever has this address, without a token. It expires. */
  url: z.string(),
})
export type Attachment = z.infer<typeof attachment>

const change = {
  /** A server of the product made it in the sender's name: it is unread to them, as what was before it may be. */
  byService: z.literal(true).optional(),
}

/** What a SYSTEM message tells, for clients that put it into their reader's language; `content` says it in English. */
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
  /** Counts the conversation's messages: 1, 2, 3, without a gap, in the order in which they were stored. */
  seq: z.int(),
  /** The conversation's revision at which this row last changed; see `sync`. */
  rev: z.int(),
  senderId: z.string(),
  /** As they are called now. */
  sender: user,
  /** Plain text; '' where there are files alone. */
  content: z.string(),
  type: messageType,
  attachments: z.array(attachment),
  /** Ids of the members who have read it, the sender first. */
  readBy: z.array(z.string()),
  /** What the sender's client called it; its id where that gave none. */
  clientMessageId: z.string(),
  /** Of a SYSTEM message; null of any other. */
  system: systemEvent.nullable(),
  /** When it was stored: RFC 3339 in UTC with six digits of a second. It rises with seq. */
  createdAt: instant,
  updatedAt: instant,
})
export type Message = z.infer<typeof message>

export const conversation = z.object({
  id: z.string(),
  type: conversationType,
  /** A group's, if it has one. */
  name: z.string().nullable(),
  /** Who made it: a person's id. */
  createdBy: z.string(),
  /** The others first, the asker last. */
  participants: z.array(participant),
  /** How many people are in it; `participants` of a list may hold fewer (100 at most). */
  participantCount: z.int(),
  lastMessage: message.nullable(),
  /** Messages past the asker's own read mark: `lastSeq - lastReadSeq`. */
  unreadCount: z.int(),
  /** The newest message's seq; 0 while there is none. */
  lastSeq: z.int(),
  /** The asker's own read mark. */
  lastReadSeq: z.int(),
  /** Counts its changes of every kind; see `sync`. */
  rev: z.int(),
  createdAt: instant,
  /** When its newest message was stored, or it was made: RFC 3339 in UTC. */
  updatedAt: instant,
})
export type Conversation = z.infer<typeof conversation>
