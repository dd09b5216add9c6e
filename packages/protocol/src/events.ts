import { z } from 'zod'
import { failureShape } from './answers.ts'
import { conversation, message } from './models.ts'
import { instant } from './primitives.ts'

const person = { userId: z.string(), userName: z.string() }
const inConversation = { conversationId: z.string() }

/** Payloads of the events that the server sends. */
export const serverEvents = {
  /** A message was stored; the sender's own sockets get it too. Arrives in seq order unless one was lost on the way. */
  newMessage: message,
  userTyping: z.object({ ...inConversation, ...person }),
  userStoppedTyping: z.object({ ...inConversation, ...person }),
  /** `userId` has read everything up to and including `seq`; `messageId` is the message that was named. */
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
  /** The person was put into this conversation, by themself on another device or by somebody else. */
  conversationCreated: conversation,
  /** Its name or its people changed. Who was removed is told, too, and for the last time. */
  conversationUpdated: z.object({
    ...inConversation,
    rev: z.int(),
    name: z.string().nullable(),
    added: z.array(z.string()),
    removed: z.array(z.string()),
    participantCount: z.int(),
  }),
  /** Something may have been missed on the way: sync. Gateways spread it, so that not all clients sync in one moment. */
  resync: z.object({}),
  /** A request without an ack failed, or (`event` is `connect`) the server is about to close the connection. */
  exception: failureShape.extend({ event: z.string() }),
} as const

export type ServerEvents = { [Name in keyof typeof serverEvents]: z.infer<(typeof serverEvents)[Name]> }
export type ServerEventName = keyof ServerEvents
