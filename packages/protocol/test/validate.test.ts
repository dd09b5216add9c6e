import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ParleyError } from '../src/errors.ts'
import { INVALID_TIMESTAMP } from '../src/primitives.ts'
import {
  conversationParams,
  createConversationBody,
  devSessionBody,
  listConversationsQuery,
  markAsReadBody,
  postMessageBody,
  revokeTokensBody,
  userBody,
} from '../src/requests.ts'
import { syncBody } from '../src/sync.ts'
import { parse } from '../src/validate.ts'

/** Returns the error for an invalid request. */
function refusal(schema: z.ZodType, input: unknown): ParleyError {
  try {
    parse(schema, input)
  } catch (error) {
    if (error instanceof ParleyError && error.code === 'VALIDATION_FAILED') return error
    throw error
  }
  throw new Error('the request was accepted')
}

describe('an invalid request', () => {
  const id = '01a21d43-1c76-72f3-996e-ef4684539a21'
  it.each([
    ['no body', markAsReadBody, undefined, 'a JSON object is required'],
    ['a list as the body', markAsReadBody, [id], 'a JSON object is required'],
    ['a missing field', markAsReadBody, {}, 'messageId: is missing'],
    ['a number instead of an id', markAsReadBody, { messageId: 7 }, 'messageId: must be a string'],
    ['a name instead of an id', conversationParams, { conversationId: 'team' }, 'conversationId: must be a UUID'],
    ['no participants', createConversationBody, { participantIds: [] }, 'participantIds: must have at least 1 item'],
    ['an id instead of a list', createConversationBody, { participantIds: 'a' }, 'participantIds: must be a list'],
    [
      'an empty id',
      createConversationBody,
      { participantIds: [''] },
      'participantIds.0: must have at least 1 character',
    ],
    [
      'an unknown type',
      createConversationBody,
      { participantIds: ['a'], type: 'TEAM' },
      'type: must be one of DIRECT, GROUP',
    ],
    ['too large a page', listConversationsQuery, { limit: '500' }, 'limit: must be at most 100'],
    ['page 0', listConversationsQuery, { page: '0' }, 'page: must be at least 1'],
    [
      'too long a text',
      postMessageBody,
      { content: 'a'.repeat(10_001) },
      'content: must have at most 10000 characters',
    ],
    ['a photo that is not a URL', userBody, { fullName: 'A', profilePhoto: 'a.png' }, 'profilePhoto: must be a URL'],
    ['an invalid time', revokeTokensBody, { before: 'now' }, `before: ${INVALID_TIMESTAMP}`],
    [
      'a number instead of a person',
      devSessionBody,
      { user: 5 },
      'user: must be an id, or an object with an id and optionally fullName and profilePhoto',
    ],
    ['no known conversations', syncBody, {}, 'conversations: is missing'],
    [
      'a list of known conversations',
      syncBody,
      { conversations: [id] },
      'conversations: must be an object of revs by conversation id',
    ],
    [
      'an invalid rev',
      syncBody,
      { conversations: { [id]: -1 } },
      `conversations.${id}: must be a whole number of at least 0`,
    ],
    [
      'a name instead of a conversation id',
      syncBody,
      { conversations: { team: 1 } },
      'conversations.team: must be a UUID',
    ],
  ])('is described in plain words: %s', (_, schema, input, words) => {
    expect(refusal(schema, input).message).toBe(`The request is not valid: ${words}`)
  })

  it('uses the message of the schema if it has one', () => {
    expect(refusal(z.object({ a: z.string('needs words') }), {}).message).toBe(
      'The request is not valid: a: needs words',
    )
  })

  it('lists at most ten fields', () => {
    const fields = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`field${n}`, z.string()]))
    expect(refusal(z.object(fields), {}).details).toHaveLength(10)
  })
})
