import {
  conversationParams,
  type ErrorCode,
  historyMetaShape,
  listMessagesQuery,
  markAsReadBody,
  message,
  messageForm,
  postMessageBody,
  searchHit,
  searchMessagesQuery,
  searchMetaShape,
  serverEvents,
  syncAnswer,
  syncBody,
} from '@parley/protocol'
import { z } from 'zod'
import type { Operation } from './types.ts'

const tag = 'Messages'
/** Error codes of sending a message, by request or event. */
export const SEND_ERRORS: readonly ErrorCode[] = [
  'CONVERSATION_NOT_FOUND',
  'ATTACHMENT_NOT_FOUND',
  'ATTACHMENT_TYPE_MISMATCH',
  'UPLOAD_INCOMPLETE',
  'FILE_TOO_LARGE',
  'FILE_TYPE_NOT_ALLOWED',
  'OVERLOADED',
  'STORAGE_UNAVAILABLE',
]

/** Error codes of marking as read, by request or event. */
export const READ_ERRORS: readonly ErrorCode[] = ['CONVERSATION_NOT_FOUND', 'MESSAGE_NOT_FOUND', 'OVERLOADED']

const ONE = '/api/messages/conversations/{conversationId}'

export const messageOperations: readonly Operation[] = [
  {
    method: 'get',
    path: `${ONE}/messages`,
    id: 'listMessages',
    tag,
    summary: 'List a page of messages in ascending order',
    description:
      'Page 1 is the newest, or the one next to the bound. Use at most one of before, beforeSeq and afterSeq. A page by beforeSeq or afterSeq costs the same at any depth.',
    access: 'person',
    params: conversationParams,
    query: listMessagesQuery,
    answers: { 200: { description: 'A page of messages', data: z.array(message), meta: historyMetaShape } },
    errors: ['CONVERSATION_NOT_FOUND'],
  },
  {
    method: 'post',
    path: `${ONE}/messages`,
    id: 'sendMessage',
    tag,
    summary: 'Send a message',
    description:
      'A successful response means that the message is durable. If sent again with the same clientMessageId, it is stored only once, and the response is the first message. In a form, the text fields must precede the files.',
    access: 'person',
    params: conversationParams,
    body: postMessageBody,
    form: messageForm,
    answers: { 201: { description: 'The stored message', data: message } },
    errors: SEND_ERRORS,
  },
  {
    method: 'post',
    path: `${ONE}/read`,
    id: 'markAsRead',
    tag,
    summary: 'Mark everything up to this message as read',
    access: 'person',
    params: conversationParams,
    body: markAsReadBody,
    answers: { 200: { description: 'The read mark', data: serverEvents.messageRead } },
    errors: READ_ERRORS,
  },
  {
    method: 'get',
    path: '/api/messages/search',
    id: 'searchMessages',
    tag,
    summary: 'Search your conversations',
    description:
      'Finds the words of the query in any order, the last one as a prefix, and "quoted words" as a phrase, in message content and file names.',
    access: 'person',
    query: searchMessagesQuery,
    answers: { 200: { description: 'A page of matching messages', data: z.array(searchHit), meta: searchMetaShape } },
    errors: ['CONVERSATION_NOT_FOUND'],
  },
  {
    method: 'post',
    path: '/api/messages/sync',
    id: 'sync',
    tag,
    summary: 'Get what has changed since the revs that the client has',
    access: 'person',
    body: syncBody,
    answers: { 200: { description: 'The changes', data: syncAnswer } },
    errors: [],
  },
]
