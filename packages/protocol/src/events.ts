import { z } from 'zod'
import { failureShape } from './answers.ts'
import { conversation, message } from './models.ts'
import { instant } from './primitives.ts'

const person = { userId: z.string(), userName: z.string() }
const inConversation = { conversationId: z.string() }

/** Payloads of the events that the server sends. */
export const serverEvents = {
  /** A message was stored; the sender's own sockets get this too. Arrives in seq order, unless one was lost. */
  newMessage: message,
  userTyping: z.object({ ...inConversation, ...person }),
  userStoppedTyping: z.object({ ...inConversation, ...person }),
  /** `userId` has read everything up to and including `seq`; `messageId` is the message they marked as read. */
  messageRead: z.object({
    ...inConversation,
    ...person,
    messageId: z.string(),
    seq: z.int(),
    rev: z.int(),
    readAt: instant,
  }),
  userOnline: z.object(person),
  userOffline: z.object({ ...person, lastSeen: instant }),
  onlineUsers: z.array(z.string()),
  /** The person was added to this conversation, by themselves on another device or by somebody else. */
  conversationCreated: conversation,
  /** Its name or its members changed. Removed members get this too, as the last event of the conversation. */
  conversationUpdated: z.object({
    ...inConversation,
    rev: z.int(),
    name: z.string().nullable(),
    added: z.array(z.string()),
    removed: z.array(z.string()),
    participantCount: z.int(),
  }),
  /** Something may have been missed: call `sync`. Gateways spread this event, so that clients do not all sync at once. */
  resync: z.object({}),
  /** A request without an ack failed, or (if `event` is `connect`) the server is about to close the connection. */
  exception: failureShape.extend({ event: z.string() }),
} as const

export type ServerEvents = { [Name in keyof typeof serverEvents]: z.infer<(typeof serverEvents)[Name]> }
export type ServerEventName = keyof ServerEvents
