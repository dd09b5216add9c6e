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
/** What sending a message may be answered with, by a request or an event. */
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

/** What reading may be answered with, by a request or an event. */
export const READ_ERRORS: readonly ErrorCode[] = ['CONVERSATION_NOT_FOUND', 'MESSAGE_NOT_FOUND', 'OVERLOADED']

const ONE = '/api/messages/conversations/{conversationId}'

export const messageOperations: readonly Operation[] = [
  {
    method: 'get',
    path: `${ONE}/messages`,
    id: 'listMessages',
    tag,
    summary: 'A page of messages, in rising order',
    description:
      'Page 1 is the newest, or what is next to the bound. At most one of before, beforeSeq and afterSeq. A page by beforeSeq or afterSeq costs the same at any depth.',
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
      'The answer says that it is durable. Sent again under the same clientMessageId it is stored once, and the answer is the first message. As a form, the text fields come before the files.',
    access: 'person',
    params: conversationParams,
    body: postMessageBody,
    form: messageForm,
    answers: { 201: { description: 'The message as it is stored', data: message } },
    errors: SEND_ERRORS,
  },
  {
    method: 'post',
    path: `${ONE}/read`,
    id: 'markAsRead',
    tag,
    summary: 'Everything up to this message has been read',
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
    summary: "Search one's own conversations",
    description:
      'Finds the words of the query in any order, the last one as a prefix, "what is in quotes" in a row, in contents and in names of files.',
    access: 'person',
    query: searchMessagesQuery,
    answers: { 200: { description: 'A page of messages that match', data: z.array(searchHit), meta: searchMetaShape } },
    errors: ['CONVERSATION_NOT_FOUND'],
  },
  {
    method: 'post',
    path: '/api/messages/sync',
    id: 'sync',
    tag,
    summary: 'What has changed since the revs that the client has',
    access: 'person',
    body: syncBody,
    answers: { 200: { description: 'What has changed', data: syncAnswer } },
    errors: [],
  },
]
