import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { ParleyError } from '../src/errors.ts'
import {
  conversationParams,
  createConversationBody,
  listConversationsQuery,
  markAsReadBody,
  postMessageBody,
  userBody,
} from '../src/requests.ts'
import { syncBody } from '../src/sync.ts'
import { parse } from '../src/validate.ts'

/** The answer to a request that is not valid. */
function refusal(schema: z.ZodType, input: unknown): ParleyError {
  try {
    parse(schema, input)
  } catch (error) {
    if (error instanceof ParleyError && error.code === 'VALIDATION_FAILED') return error
    throw error
  }
  throw new Error('It was taken.')
}

describe('what is wrong with a request', () => {
  const id = '01a21d43-1c76-72f3-996e-ef4684539a21'
  it.each([
    ['no body', markAsReadBody, undefined, 'a JSON object has to come with it'],
    ['a list for a body', markAsReadBody, [id], 'a JSON object has to come with it'],
    ['a field that is not there', markAsReadBody, {}, 'messageId: is missing'],
    ['a number for an id', markAsReadBody, { messageId: 7 }, 'messageId: must be a string'],
    ['a name for an id', conversationParams, { conversationId: 'team' }, 'conversationId: must be a UUID'],
    ['nobody', createConversationBody, { participantIds: [] }, 'participantIds: must have at least 1 item'],
    ['one id for a list', createConversationBody, { participantIds: 'a' }, 'participantIds: must be a list'],
    [
      'an empty id',
      createConversationBody,
      { participantIds: [''] },
      'participantIds.0: must have at least 1 character',
    ],
    [
      'a type there is not',
      createConversationBody,
      { participantIds: ['a'], type: 'TEAM' },
      'type: must be one of DIRECT, GROUP',
    ],
    ['too long a page', listConversationsQuery, { limit: '500' }, 'limit: must be at most 100'],
    ['page 0', listConversationsQuery, { page: '0' }, 'page: must be at least 1'],
    [
      'too long a text',
      postMessageBody,
      { content: 'a'.repeat(10_001) },
      'content: must have at most 10000 characters',
    ],
    ['no address of a picture', userBody, { fullName: 'A', profilePhoto: 'a.png' }, 'profilePhoto: must be a URL'],
    ['nothing known', syncBody, {}, 'conversations: is missing'],
    [
      'a list of what is known',
      syncBody,
      { conversations: [id] },
      'conversations: must be an object of revs by conversation id',
    ],
    [
      'a rev that is none',
      syncBody,
      { conversations: { [id]: -1 } },
      `conversations.${id}: must be a whole number of at least 0`,
    ],
    ['a name for a conversation', syncBody, { conversations: { team: 1 } }, 'conversations.team: must be a UUID'],
  ])('is said in plain words: %s', (_, schema, input, words) => {
    expect(refusal(schema, input).message).toBe(`The request is not valid: ${words}`)
  })

  it('is what a schema says of itself, where it does', () => {
    expect(refusal(z.object({ a: z.string('needs words') }), {}).message).toBe(
      'The request is not valid: a: needs words',
    )
  })

  it('lists ten fields at most', () => {
    const fields = Object.fromEntries(Array.from({ length: 12 }, (_, n) => [`field${n}`, z.string()]))
    expect(refusal(z.object(fields), {}).details).toHaveLength(10)
  })
})
