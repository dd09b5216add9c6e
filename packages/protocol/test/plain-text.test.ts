import { describe, expect, it } from 'vitest'
import type { z } from 'zod'
import {
  clientEvents,
  clientMessageId,
  LIMITS,
  listConversationsQuery,
  parseEvent,
  plainText,
  updateConversationBody,
  userBody,
  userId,
} from '../src/index.ts'

const conversationId = '0192f0c1-2d3e-7abc-8def-0123456789ab'

/** Valid and invalid values for the fields of a message. */
const VALUES: unknown[] = [
  undefined,
  null,
  '',
  ' ',
  '\u00a0\u2003',
  'hello',
  ' 👋 ünïcode ',
  'a\0b',
  '\ud800',
  'x'.repeat(LIMITS.clientMessageIdLength),
  'x'.repeat(LIMITS.clientMessageIdLength + 1),
  'x'.repeat(LIMITS.contentLength),
  'x'.repeat(LIMITS.contentLength + 1),
  conversationId,
  conversationId.toUpperCase(),
  `${conversationId}\n`,
  'TEXT',
  'FILE',
  'SYSTEM',
  [],
  [null],
  [{ id: conversationId }],
  {},
  0,
  true,
]
const FIELDS = ['conversationId', 'content', 'type', 'clientMessageId', 'attachments', 'unknown', '__proto__'] as const

/** Generates a valid message with up to two fields replaced by any value. */
function* messages(): Generator<Record<string, unknown>> {
  const whole = { conversationId, content: 'hello' }
  for (const first of FIELDS) {
    for (const value of VALUES) {
      const one = withField(whole, first, value)
      yield one
      for (const second of FIELDS) for (const other of VALUES) yield withField(one, second, other)
    }
  }
}

/** As in JSON.parse, `__proto__` is a field like any other. */
function withField(object: object, field: string, value: unknown): Record<string, unknown> {
  return Object.defineProperty({ ...object }, field, { value, enumerable: true, configurable: true, writable: true })
}

describe('a text message that is parsed without the schema', () => {
  it('equals the result of the schema', () => {
    let recognised = 0
    for (const message of messages()) {
      const plain = plainText(message)
      if (plain === undefined) continue
      recognised++
      const { data } = clientEvents.sendMessage.safeParse(message)
      if (data === undefined) expect.unreachable(`the schema refuses ${JSON.stringify(message).slice(0, 300)}`)
      expect(plain).toEqual(data)
    }
    expect(recognised).toBeGreaterThan(500)
  })

  it('covers the usual messages', () => {
    const usual = { conversationId, content: 'Hello! How are you?', type: 'TEXT', attachments: [] }
    for (const message of [usual, { ...usual, clientMessageId: 'c1' }, { conversationId, content: 'x' }]) {
      expect(plainText(message)).toEqual(clientEvents.sendMessage.parse(message))
    }
  })

  it.each([null, undefined, 'text', 7, []])('does not cover %j', (input) => {
    expect(plainText(input)).toBeUndefined()
    expect(() => parseEvent('sendMessage', input)).toThrow('not valid')
  })

  it('leaves unusual but valid messages to the schema', () => {
    const shouting = { conversationId: conversationId.toUpperCase(), content: 'hello' }
    expect(plainText(shouting)).toBeUndefined()
    expect(parseEvent('sendMessage', shouting).conversationId).toBe(conversationId)
  })
})

describe('the length of a text', () => {
  const bounds: [what: string, schema: z.ZodType, wrap: (text: string) => unknown, max: number][] = [
    ['content', clientEvents.sendMessage, (text) => ({ conversationId, content: text }), LIMITS.contentLength],
    ['clientMessageId', clientMessageId, (text) => text, LIMITS.clientMessageIdLength],
    ['the name of a group', updateConversationBody, (name) => ({ name }), LIMITS.nameLength],
    ['the name of a person', userBody, (fullName) => ({ fullName }), LIMITS.nameLength],
    [
      'the address of a photo',
      userBody,
      (text) => ({ fullName: 'x', profilePhoto: `http://x/${text}` }),
      LIMITS.photoLength - 9,
    ],
    ['the id of a person', userId, (text) => text, LIMITS.userIdLength],
    ['a search', listConversationsQuery, (search) => ({ search }), LIMITS.searchLength],
  ]

  it.each(bounds)('%s is counted in UTF-16 code units, two for an emoji', (_what, schema, wrap, max) => {
    const accepts = (text: string) => schema.safeParse(wrap(text)).success
    const emoji = '👋'.repeat(Math.floor(max / 2))
    expect([accepts('x'.repeat(max)), accepts(emoji)]).toEqual([true, true])
    expect([accepts('x'.repeat(max + 1)), accepts(`${emoji}👋`)]).toEqual([false, false])
  })
})
