import {
  type ClientEventName,
  type ErrorCode,
  message,
  nothing,
  renewedToken,
  type ServerEventName,
  serverEvents,
  syncAnswer,
  visibility,
} from '@parley/protocol'
import type { z } from 'zod'
import { READ_ERRORS, SEND_ERRORS } from './operations/messages.ts'

/** What the documents say of an event that a client sends, beside its payload's schema. */
export interface ClientEventNotes {
  summary: string
  /** What the ack's `data` holds. */
  ack: z.ZodType
  /** Beside those that any event may be answered with. */
  errors: readonly ErrorCode[]
}

/** Every event that a client may send: the type wants each of them here, and no other. */
export const clientEventNotes: Readonly<Record<ClientEventName, ClientEventNotes>> = {
  sendMessage: {
    summary: 'Sends a message; the ack says that it is durable',
    ack: message,
    errors: SEND_ERRORS,
  },
  typing: {
    summary: 'The person is typing. Repeated every few seconds; it ends by itself after six, and with the message',
    ack: nothing,
    errors: ['CONVERSATION_NOT_FOUND'],
  },
  stopTyping: { summary: 'The person stopped typing', ack: nothing, errors: ['CONVERSATION_NOT_FOUND'] },
  markAsRead: {
    summary: 'The person has read everything up to this message',
    ack: serverEvents.messageRead,
    errors: READ_ERRORS,
  },
  getOnlineUsers: {
    summary: 'Asks who is online of the people that one shares a conversation with; also answered by onlineUsers',
    ack: serverEvents.onlineUsers,
    errors: [],
  },
  setVisibility: {
    summary: 'Whether the person looks at the application on this connection',
    ack: visibility,
    errors: [],
  },
  sync: { summary: 'Asks what has changed since the revs that the client has', ack: syncAnswer, errors: [] },
  renewToken: {
    summary: 'Puts a newer token of the same person in the place of the one that the socket came with',
    ack: renewedToken,
    errors: ['TOKEN_MISSING', 'TOKEN_INVALID', 'TOKEN_EXPIRED', 'FORBIDDEN'],
  },
}

/** What any event may be answered with. */
export const EVENT_ERRORS: readonly ErrorCode[] = ['VALIDATION_FAILED', 'RATE_LIMITED', 'INTERNAL', 'UNAVAILABLE']

/** Every code that an event may be answered with. */
export function eventErrorsOf(name: ClientEventName): ErrorCode[] {
  return [...new Set([...EVENT_ERRORS, ...clientEventNotes[name].errors])]
}

/** To whom the server sends an event, and why. */
export const serverEventNotes: Readonly<Record<ServerEventName, string>> = {
  newMessage:
    'A message was stored. To everybody in the conversation, the sender’s own sockets too, in the order of seq',
  userTyping: 'Somebody is typing. To the others in the conversation',
  userStoppedTyping: 'Somebody stopped typing. To the others in the conversation',
  messageRead: 'Somebody has read everything up to a message. To everybody in the conversation',
  userOnline: 'Somebody came online. To those who share a conversation of up to 100 people with them',
  userOffline: 'Somebody went offline. To those who share a conversation of up to 100 people with them',
  onlineUsers: 'The answer to getOnlineUsers. To who asked',
  conversationCreated: 'The person was put into a conversation. To each who was',
  conversationUpdated: 'A conversation’s name or its people changed. To everybody in it, and to who was removed',
  resync: 'Something may have been missed on the way: sync',
  exception: 'A request without an ack failed, or the server is about to close the connection',
}
