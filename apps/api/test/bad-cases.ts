import { randomUUID } from 'node:crypto'
import { user } from '@parley/testkit'

/*
 * Requests that a well-behaved client never sends, with their answers. `{pair}` and `{team}` in a path stand for the ids of a
 * DIRECT conversation of Ahmed and Fatima and a GROUP of the same two, owned by Ahmed, who sends the requests.
 */

export const CONVERSATIONS = '/api/messages/conversations'
/** An id that does not exist. */
export const NOWHERE = '00000000-0000-0000-0000-000000000000'
export const [ahmed, fatima, stranger] = [user('Ahmed Hassan'), user('Fatima Rahman'), user('Stranger')]

export interface Call {
  body?: unknown
  headers?: Record<string, string>
}

export type Case = [what: string, method: string, path: string, request: Call, status: number, code: string]
const invalid = (what: string, method: string, path: string, body?: unknown): Case => [
  what,
  method,
  path,
  body === undefined ? {} : { body },
  400,
  'VALIDATION_FAILED',
]
const MESSAGES = `${CONVERSATIONS}/{pair}/messages`

export const TOKENS: Case[] = [
  ['no token', 'GET', CONVERSATIONS, { headers: { authorization: '' } }, 401, 'TOKEN_MISSING'],
  ['another scheme', 'GET', CONVERSATIONS, { headers: { authorization: 'Basic YTpi' } }, 401, 'TOKEN_MISSING'],
  ['no JWT', 'GET', CONVERSATIONS, { headers: { authorization: 'Bearer abc' } }, 401, 'TOKEN_INVALID'],
  ['two tokens', 'GET', CONVERSATIONS, { headers: { authorization: 'Bearer abc def' } }, 401, 'TOKEN_INVALID'],
  [
    'no token with a bad body',
    'POST',
    CONVERSATIONS,
    { body: '{', headers: { authorization: '' } },
    401,
    'TOKEN_MISSING',
  ],
  ['acting for another as a person', 'GET', CONVERSATIONS, { headers: { 'x-act-as': 'somebody' } }, 403, 'FORBIDDEN'],
  ['writing people as a person', 'POST', '/api/users', { body: { users: [] } }, 403, 'FORBIDDEN'],
  ['writing oneself as a person', 'PUT', `/api/users/${ahmed.id}`, { body: { fullName: 'Boss' } }, 403, 'FORBIDDEN'],
]

export const SHAPES: Case[] = [
  ['an address there is not', 'GET', '/api/nothing', {}, 404, 'NOT_FOUND'],
  ['a method there is not', 'PUT', CONVERSATIONS, { body: {} }, 404, 'NOT_FOUND'],
  ['a path that does not decode', 'GET', `${CONVERSATIONS}/%E0%A4%A`, {}, 400, 'VALIDATION_FAILED'],
  ['a path of 10,000 characters', 'GET', `${CONVERSATIONS}/${'x'.repeat(10_000)}`, {}, 400, 'VALIDATION_FAILED'],
  ['JSON cut short', 'POST', CONVERSATIONS, { body: '{"type":' }, 400, 'MALFORMED_JSON'],
  ['no JSON', 'POST', CONVERSATIONS, { body: 'hello' }, 400, 'MALFORMED_JSON'],
  ['JSON with __proto__', 'POST', CONVERSATIONS, { body: '{"__proto__":{"admin":true}}' }, 400, 'MALFORMED_JSON'],
  [
    'JSON with constructor.prototype',
    'POST',
    MESSAGES,
    { body: '{"constructor":{"prototype":{"a":1}}}' },
    400,
    'MALFORMED_JSON',
  ],
  [
    'text',
    'POST',
    CONVERSATIONS,
    { body: 'x', headers: { 'content-type': 'text/plain' } },
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  [
    'a form',
    'POST',
    CONVERSATIONS,
    { body: 'a=b', headers: { 'content-type': 'application/x-www-form-urlencoded' } },
    415,
    'UNSUPPORTED_MEDIA_TYPE',
  ],
  ['1 MB', 'POST', MESSAGES, { body: { content: 'x'.repeat(1_048_576) } }, 413, 'PAYLOAD_TOO_LARGE'],
  invalid('no body', 'POST', CONVERSATIONS),
  invalid('an empty body', 'POST', CONVERSATIONS, ''),
  invalid('null', 'POST', CONVERSATIONS, 'null'),
  invalid('a list', 'POST', CONVERSATIONS, '[]'),
  invalid('a string', 'POST', CONVERSATIONS, '"x"'),
  invalid('nested 50,000 deep', 'POST', MESSAGES, `{"content":${'['.repeat(5e4)}${']'.repeat(5e4)}}`),
]

export const CREATION: Case[] = [
  invalid('no people', 'POST', CONVERSATIONS, {}),
  invalid('people that are no list', 'POST', CONVERSATIONS, { participantIds: fatima.id }),
  invalid('nobody', 'POST', CONVERSATIONS, { participantIds: [] }),
  invalid('a person that is a number', 'POST', CONVERSATIONS, { participantIds: [1] }),
  invalid('an empty id', 'POST', CONVERSATIONS, { participantIds: [''] }),
  invalid('NUL in an id', 'POST', CONVERSATIONS, { participantIds: ['a\0'] }),
  invalid('a lone surrogate in an id', 'POST', CONVERSATIONS, { participantIds: ['\ud800'] }),
  invalid('an id of 129 characters', 'POST', CONVERSATIONS, { participantIds: ['x'.repeat(129)] }),
  invalid('1,001 people', 'POST', CONVERSATIONS, { participantIds: Array.from({ length: 1_001 }, (_, i) => `p${i}`) }),
  invalid('a type there is not', 'POST', CONVERSATIONS, { participantIds: [fatima.id], type: 'CHANNEL' }),
  invalid('a DIRECT one with oneself', 'POST', CONVERSATIONS, { participantIds: [ahmed.id], type: 'DIRECT' }),
  invalid('a DIRECT one of three', 'POST', CONVERSATIONS, { participantIds: [fatima.id, stranger.id], type: 'DIRECT' }),
  invalid('a blank name', 'POST', CONVERSATIONS, { participantIds: [fatima.id], type: 'GROUP', name: '  ' }),
  invalid('a name of 201 characters', 'POST', CONVERSATIONS, {
    participantIds: [fatima.id],
    type: 'GROUP',
    name: 'x'.repeat(201),
  }),
  invalid('a clientConversationId that is a number', 'POST', CONVERSATIONS, {
    participantIds: [fatima.id],
    type: 'GROUP',
    clientConversationId: 7,
  }),
  invalid('a name with NUL', 'POST', CONVERSATIONS, { participantIds: [fatima.id], type: 'GROUP', name: 'a\0b' }),
  [
    'people nobody knows',
    'POST',
    CONVERSATIONS,
    { body: { participantIds: ["'; drop table users; --"] } },
    400,
    'UNKNOWN_USERS',
  ],
]

export const READING: Case[] = [
  ...[
    'page=0',
    'page=-1',
    'page=1.5',
    'page=x',
    'page=',
    'page=1&page=2',
    'page=10000000',
    'limit=0',
    'limit=101',
    'limit=1e2',
  ].flatMap((query) => [
    invalid(query, 'GET', `${CONVERSATIONS}?${query}`),
    invalid(query, 'GET', `${MESSAGES}?${query}`),
    invalid(query, 'GET', `/api/users?${query}`),
  ]),
  ...[
    'before=yesterday',
    'before=',
    'before=2025-13-45',
    'before=999999999999999999',
    'beforeSeq=0',
    'beforeSeq=x',
    'beforeSeq=-1',
    'beforeSeq=99999999999999999999',
    'afterSeq=-1',
    'afterSeq=1.5',
    'beforeSeq=2&afterSeq=1',
    'before=2025-12-11&beforeSeq=3',
    'before=1&before=2',
    `before=2025-12-11T10:30:00.${'1'.repeat(200)}Z`,
  ].map((query) => invalid(query, 'GET', `${MESSAGES}?${query}`)),
  invalid('a search of 201 characters', 'GET', `${CONVERSATIONS}?search=${'x'.repeat(201)}`),
  invalid('NUL in a search', 'GET', `${CONVERSATIONS}?search=a%00b`),
  invalid('NUL in a search for people', 'GET', '/api/users?search=%00'),
  invalid('an id that is none', 'GET', `${CONVERSATIONS}/conversation-uuid`),
  invalid('SQL for an id', 'GET', `${CONVERSATIONS}/${encodeURIComponent("' or '1'='1")}`),
  invalid('NUL for an id', 'GET', `${CONVERSATIONS}/%00/messages`),
]

export const WRITING: Case[] = [
  invalid('no content', 'POST', MESSAGES, {}),
  invalid('content that is a number', 'POST', MESSAGES, { content: 1 }),
  invalid('blank content', 'POST', MESSAGES, { content: ' \n ' }),
  invalid('content of 10,001 characters', 'POST', MESSAGES, { content: 'x'.repeat(10_001) }),
  invalid('content of 5,001 emoji, which are 10,002 UTF-16 units', 'POST', MESSAGES, { content: '👋'.repeat(5_001) }),
  invalid('NUL in the content', 'POST', MESSAGES, { content: 'a\0b' }),
  invalid('a lone surrogate, escaped', 'POST', MESSAGES, '{"content":"\\ud800"}'),
  invalid('the server’s own type', 'POST', MESSAGES, { content: 'x', type: 'SYSTEM' }),
  invalid('a type there is not', 'POST', MESSAGES, { content: 'x', type: 'STICKER' }),
  invalid('a clientMessageId that is a number', 'POST', MESSAGES, { content: 'x', clientMessageId: 7 }),
  invalid('the same file twice', 'POST', MESSAGES, { attachments: [{ id: NOWHERE }, { id: NOWHERE }] }),
  invalid('eleven files', 'POST', MESSAGES, { attachments: Array.from({ length: 11 }, () => ({ id: randomUUID() })) }),
  invalid('no message to read', 'POST', `${CONVERSATIONS}/{pair}/read`, {}),
  invalid('a message that is no id', 'POST', `${CONVERSATIONS}/{pair}/read`, { messageId: 'message-uuid' }),
  [
    'a message there is not',
    'POST',
    `${CONVERSATIONS}/{pair}/read`,
    { body: { messageId: NOWHERE } },
    404,
    'MESSAGE_NOT_FOUND',
  ],
  ['a name for two', 'PATCH', `${CONVERSATIONS}/{pair}`, { body: { name: 'Us' } }, 400, 'NOT_A_GROUP'],
  [
    'a third for two',
    'POST',
    `${CONVERSATIONS}/{pair}/participants`,
    { body: { userIds: [stranger.id] } },
    400,
    'NOT_A_GROUP',
  ],
  [
    'leaving a conversation of two',
    'DELETE',
    `${CONVERSATIONS}/{pair}/participants/${ahmed.id}`,
    {},
    400,
    'NOT_A_GROUP',
  ],
  invalid('no name', 'PATCH', `${CONVERSATIONS}/{team}`, {}),
  invalid('a name that is a number', 'PATCH', `${CONVERSATIONS}/{team}`, { name: 5 }),
  invalid('a blank name', 'PATCH', `${CONVERSATIONS}/{team}`, { name: '' }),
  invalid('nobody to add', 'POST', `${CONVERSATIONS}/{team}/participants`, { userIds: [] }),
  [
    'somebody unknown to add',
    'POST',
    `${CONVERSATIONS}/{team}/participants`,
    { body: { userIds: ['nobody'] } },
    400,
    'UNKNOWN_USERS',
  ],
  [
    'removing one who is not in it',
    'DELETE',
    `${CONVERSATIONS}/{team}/participants/${stranger.id}`,
    {},
    404,
    'USER_NOT_FOUND',
  ],
  [
    'removing one who does not exist',
    'DELETE',
    `${CONVERSATIONS}/{team}/participants/nobody`,
    {},
    404,
    'USER_NOT_FOUND',
  ],
  invalid('a demo person without an id', 'POST', '/api/dev/session', { user: { fullName: 'X' } }),
  invalid('NUL in a photo', 'POST', '/api/dev/session', { user: { id: 'x', profilePhoto: 'https://example.com/\0' } }),
  invalid('a demo person with an empty id', 'POST', '/api/dev/session', { user: '' }),
]
