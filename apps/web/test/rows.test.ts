import type { Message, PendingMessage } from '@parley/client'
import { describe, expect, it } from 'vitest'
import { buildRows, type RowsInput } from '../src/conversation/rows.ts'

const at = (day: number, hour: number, minute = 0) => new Date(2026, 2, day, hour, minute)

function message(seq: number, senderId: string, date: Date, more: Partial<Message> = {}): Message {
  return {
    id: `m${seq}`,
    conversationId: 'c',
    seq,
    rev: seq,
    senderId,
    sender: { id: senderId, fullName: senderId, profilePhoto: null },
    content: `message ${seq}`,
    type: 'TEXT',
    attachments: [],
    readBy: [senderId],
    clientMessageId: `client ${seq}`,
    system: null,
    createdAt: date.toISOString(),
    updatedAt: date.toISOString(),
    ...more,
  }
}

function pending(clientMessageId: string, date: Date): PendingMessage {
  return {
    clientMessageId,
    conversationId: 'c',
    content: 'x',
    createdAt: date.getTime(),
    order: 1,
    status: 'queued',
    error: null,
  }
}

function rowsOf(input: Partial<RowsInput>) {
  return buildRows({
    messages: [],
    pending: [],
    uploads: [],
    me: 'me',
    hasOlder: false,
    hasNewer: false,
    unreadAfter: null,
    ...input,
  })
}

/** Describes rows as `day m1(fl) unread`, with f and l for the first and last of a group. */
function shape(input: Partial<RowsInput>): string {
  return rowsOf(input)
    .map((row) => {
      if (!('first' in row)) return row.kind
      const name = row.kind === 'message' ? row.message.id : row.kind
      return `${name}(${row.first ? 'f' : ''}${row.last ? 'l' : ''})`
    })
    .join(' ')
}

describe('the rows of a history', () => {
  it('are divided by days and grouped by people and pauses', () => {
    const messages = [
      message(1, 'a', at(1, 9)),
      message(2, 'a', at(1, 9, 4)),
      message(3, 'a', at(1, 9, 30)),
      message(4, 'b', at(1, 9, 31)),
      message(5, 'b', at(2, 9)),
      message(6, 'b', at(2, 9, 1), { type: 'SYSTEM' }),
      message(7, 'b', at(2, 9, 2)),
    ]
    expect(shape({ messages })).toBe('day m1(f) m2(l) m3(fl) m4(fl) day m5(fl) system m7(fl)')
  })

  it('start without a day or name while there are older ones: nothing may disappear when those are loaded', () => {
    const messages = [message(50, 'a', at(1, 9)), message(51, 'a', at(1, 9, 1))]
    expect(shape({ messages, hasOlder: true })).toBe('m50() m51(l)')
    expect(shape({ messages: [message(49, 'a', at(1, 8, 59)), ...messages], hasOlder: true })).toBe(
      'm49() m50() m51(l)',
    )
  })

  it('have a line before the first unread message from others', () => {
    const messages = [message(1, 'a', at(1, 9)), message(2, 'a', at(1, 9, 1)), message(3, 'a', at(1, 9, 2))]
    expect(shape({ messages, unreadAfter: 1 })).toBe('day m1(fl) unread m2(f) m3(l)')
    expect(shape({ messages, unreadAfter: 0 })).toBe('day unread m1(f) m2() m3(l)')
    expect(shape({ messages, unreadAfter: 3 })).toBe('day m1(f) m2() m3(l)')
    const own = [message(1, 'a', at(1, 9)), message(2, 'me', at(1, 9, 1)), message(3, 'a', at(1, 9, 2))]
    expect(shape({ messages: own, unreadAfter: 1 })).toBe('day m1(fl) m2(fl) unread m3(fl)')
  })

  it('have no line if no read message is loaded', () => {
    const messages = [message(60, 'a', at(1, 9)), message(61, 'a', at(1, 9, 1))]
    expect(shape({ messages, hasOlder: true, unreadAfter: 10 })).toBe('m60() m61(l)')
  })

  it('end with unsent messages, once each, in the order of sending', () => {
    const messages = [message(1, 'me', at(1, 9))]
    const waiting = [pending('client 1', at(1, 9)), pending('p', at(1, 9, 1))]
    expect(shape({ messages, pending: waiting })).toBe('day m1(f) pending(l)')
    expect(shape({ messages, pending: waiting, hasNewer: true })).toBe('day m1(fl)')
  })

  it('keep the key of the person’s own message when it is stored', () => {
    const before = rowsOf({ pending: [pending('p', at(1, 9))] })
    const after = rowsOf({ messages: [message(1, 'me', at(1, 9), { clientMessageId: 'p' })] })
    expect(after.map(({ key }) => key)).toEqual(before.map(({ key }) => key))
  })

  it('have unique keys, even if people choose the same ids', () => {
    const same = { clientMessageId: 'x' }
    const messages = [
      message(1, 'a', at(1, 9), same),
      message(2, 'me', at(1, 9), same),
      message(3, 'b', at(2, 9), same),
    ]
    const keys = rowsOf({ messages, unreadAfter: 2 }).map(({ key }) => key)
    expect(new Set(keys).size).toBe(keys.length)
  })
})
