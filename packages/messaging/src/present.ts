import type { ConversationRow, MessageRow, NewMessage, ParticipantRow, ReadMarkRow, UserRow } from '@parley/db'
import {
  type Attachment,
  type Conversation,
  instantOf,
  type Message,
  type Participant,
  type StoredAttachment,
  type User,
} from '@parley/protocol'
import type { AttachmentLinks } from './ports.ts'

/*
 * Presenters: turn rows into what clients see. Pure functions, one for each shape.
 */

/** A user as others see them. */
export function presentUser(row: Pick<UserRow, 'id' | 'full_name' | 'profile_photo'>): User {
  return { id: row.id, fullName: row.full_name, profilePhoto: row.profile_photo }
}

/** A message that has just been stored: only its sender has read it. */
export function presentNewMessage(
  message: NewMessage,
  stored: { seq: number; rev: number; created_at: string },
  sender: User,
  links: AttachmentLinks,
): Message {
  return {
    id: message.id,
    conversationId: message.conversationId,
    seq: stored.seq,
    rev: stored.rev,
    senderId: sender.id,
    sender,
    content: message.content,
    type: message.type,
    attachments: presentAttachments(message.conversationId, message.attachments, links),
    readBy: [sender.id],
    clientMessageId: message.clientMessageId ?? message.id,
    system: message.system,
    createdAt: stored.created_at,
    updatedAt: stored.created_at,
  }
}

/** @param marks read marks of the conversation's members; those of other conversations are ignored */
export function presentMessage(row: MessageRow, marks: readonly ReadMarkRow[], links: AttachmentLinks): Message {
  return {
    id: row.id,
    conversationId: row.conversation_id,
    seq: row.seq,
    rev: row.rev,
    senderId: row.sender_id,
    sender: { id: row.sender_id, fullName: row.sender_name, profilePhoto: row.sender_photo },
    content: row.content,
    type: row.type,
    attachments: presentAttachments(row.conversation_id, row.attachments ?? [], links),
    readBy: readBy(row, marks),
    clientMessageId: row.client_message_id,
    system: row.system,
    createdAt: row.created_at,
    updatedAt: row.updated_at ?? row.created_at,
  }
}

/** Adds the URL, which is not stored: it expires, so it is generated each time a message is shown. */
function presentAttachments(
  conversationId: string,
  stored: readonly StoredAttachment[],
  links: AttachmentLinks,
): Attachment[] {
  return stored.map((attachment) => ({ ...attachment, url: links.urlOf(conversationId, attachment) }))
}

/** Ids of the sender, then of the members whose mark has reached the message and who had joined before it was sent. */
function readBy(row: MessageRow, marks: readonly ReadMarkRow[]): string[] {
  const readers = [row.sender_id]
  for (const mark of marks) {
    const reached = mark.last_read_seq >= row.seq && mark.joined_seq < row.seq
    if (reached && mark.conversation_id === row.conversation_id && mark.user_id !== row.sender_id) {
      readers.push(mark.user_id)
    }
  }
  return readers
}

/**
 * @param online ids of the online users; null if presence is not shown
 * @param now `lastSeen` of those who are online
 */
export function presentParticipant(row: ParticipantRow, online: Set<string> | null, now: Date): Participant {
  const isOnline = online?.has(row.id) ?? false
  return {
    ...presentUser(row),
    role: row.role,
    isOnline,
    lastSeen: online === null ? null : isOnline ? instantOf(now) : row.last_seen_at,
    lastReadSeq: row.last_read_seq,
  }
}

/** A conversation as one of its members sees it; the row has that member's counters. */
export function presentConversation(
  row: ConversationRow,
  participants: Participant[],
  lastMessage: Message | null,
): Conversation {
  return {
    id: row.id,
    type: row.type,
    name: row.name,
    createdBy: row.created_by,
    participants,
    participantCount: row.participant_count,
    lastMessage,
    unreadCount: row.last_seq - row.last_read_seq,
    lastSeq: row.last_seq,
    lastReadSeq: row.last_read_seq,
    rev: row.rev,
    createdAt: row.created_at,
    updatedAt: row.last_message_at,
  }
}
