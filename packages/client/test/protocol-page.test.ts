import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  clientEvents,
  conversation,
  LIMITS,
  message,
  serverEvents,
  syncAnswer,
  syncedConversation,
} from '@parley/protocol'
import { expect, it } from 'vitest'

const page = readFileSync(join(import.meta.dirname, '../../../docs/PROTOCOL.md'), 'utf8')

it('docs/PROTOCOL.md names every event and every field of the objects it describes', () => {
  const events = [...Object.keys(clientEvents), ...Object.keys(serverEvents)]
  const fields = [conversation, message, syncAnswer, syncedConversation].flatMap(({ shape }) => Object.keys(shape))
  for (const name of [...events, ...fields]) expect(page).toMatch(new RegExp(`[\`"]${name}[\`"]`))
})

it('docs/PROTOCOL.md states the limits that are in force', () => {
  const { contentLength, groupSize, syncConversations, syncMessages, attachmentsPerMessage, nameLength } = LIMITS
  expect([contentLength, groupSize, syncConversations, syncMessages, attachmentsPerMessage, nameLength]).toEqual([
    10_000, 1_000, 1_000, 100, 10, 200,
  ])
  expect([LIMITS.payloadBytes / 1_024, LIMITS.typingMs / 1_000, LIMITS.pageSize]).toEqual([256, 6, 100])
})
