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

/** The description of a client event in the documents, in addition to its payload's schema. */
export interface ClientEventNotes {
  summary: string
  /** The schema of the ack's `data`. */
  ack: z.ZodType
  /** Error codes in addition to those of any event. */
  errors: readonly ErrorCode[]
}

/** Every event that a client may send. The type requires an entry for each. */
export const clientEventNotes: Readonly<Record<ClientEventName, ClientEventNotes>> = {
  sendMessage: {
    summary: 'Sends a message; the ack means that it is durable',
    ack: message,
    errors: SEND_ERRORS,
  },
  typing: {
    summary: 'The person is typing. To be repeated every few seconds: it expires after six, and ends with the message',
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
    summary: 'Returns which people who share a conversation with the person are online; also sends onlineUsers',
    ack: serverEvents.onlineUsers,
    errors: [],
  },
  setVisibility: {
    summary: 'Tells whether the person is looking at the application on this connection',
    ack: visibility,
    errors: [],
  },
  sync: { summary: 'Returns what has changed since the revs that the client has', ack: syncAnswer, errors: [] },
  renewToken: {
    summary: 'Replaces the socket’s token with a newer one of the same person',
    ack: renewedToken,
    errors: ['TOKEN_MISSING', 'TOKEN_INVALID', 'TOKEN_EXPIRED', 'FORBIDDEN'],
  },
}

/** Error codes of any event. */
export const EVENT_ERRORS: readonly ErrorCode[] = ['VALIDATION_FAILED', 'RATE_LIMITED', 'INTERNAL', 'UNAVAILABLE']

/** Returns every error code of an event. */
export function eventErrorsOf(name: ClientEventName): ErrorCode[] {
  return [...new Set([...EVENT_ERRORS, ...clientEventNotes[name].errors])]
}

/** Why the server sends each event, and to whom. */
export const serverEventNotes: Readonly<Record<ServerEventName, string>> = {
  newMessage:
    'A message was stored. Sent to all members of the conversation, including the sender’s own sockets, in order of seq',
  userTyping: 'Somebody is typing. Sent to the other members of the conversation',
  userStoppedTyping: 'Somebody stopped typing. Sent to the other members of the conversation',
  messageRead: 'Somebody has read everything up to a message. Sent to all members of the conversation',
  userOnline: 'Somebody came online. Sent to those who share a conversation of up to 100 people with them',
  userOffline: 'Somebody went offline. Sent to those who share a conversation of up to 100 people with them',
  onlineUsers: 'The response to getOnlineUsers. Sent to the person who asked',
  conversationCreated: 'The person was added to a conversation. Sent to each person who was',
  conversationUpdated: 'A conversation’s name or members changed. Sent to all members, and to those who were removed',
  resync: 'Something may have been missed: the client should sync',
  exception: 'A request without an ack failed, or the server is about to close the connection',
}
