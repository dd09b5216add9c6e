import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeEvent, encodeFrame, isFrame } from '../src/frame.ts'
import { channelOf, conversationIdOf, conversationRoom, roomOf, userRoom } from '../src/rooms.ts'

const packet = encodeEvent('onlineUsers', ['a|b\nc', 'ü'])

describe('frames', () => {
  it.each([
    { origin: 'epoch', seq: 0, control: null, packets: [packet] },
    { origin: 'epoch', seq: 7, control: null, packets: [packet, encodeEvent('onlineUsers', []), packet] },
    { origin: 'epoch', seq: 12, control: { leaving: ['a|b\nc', '~'] }, packets: [packet] },
    {
      origin: 'e',
      seq: 0,
      control: { join: { userId: 'u', conversationId: 'c', lastSeq: 3 } },
      packets: [],
    },
  ])('come back as they were sent', (frame) => {
    const raw = encodeFrame(frame)
    expect(isFrame(raw)).toBe(true)
    expect(decodeFrame(raw)).toEqual(frame)
  })

  it('are told from what the adapter sends', () => {
    expect(isFrame(Buffer.from('{"uid":"x"}'))).toBe(false)
    expect(isFrame(Buffer.from([0x83, 0xa3]))).toBe(false)
    expect(isFrame(Buffer.alloc(0))).toBe(false)
  })

  it.each([
    '~',
    '~a',
    '~a|1',
    '~a|1|\n42',
    '~a|x||\n42',
    '~a|1||{\n42',
    '~a|1|2|\n42',
    '~a|1|x|\n42[]',
    '~a|1|3,2|\n42[]',
    '{}',
  ])('that are broken are refused: %j', (raw) => {
    expect(decodeFrame(Buffer.from(raw))).toBeUndefined()
  })

  it('carry the packet as a WebSocket client gets it', () => {
    expect(packet.toString()).toBe('42["onlineUsers",["a|b\\nc","ü"]]')
  })
})

describe('rooms', () => {
  it('are never 20 characters long, which the adapter takes for a socket id', () => {
    for (let length = 1; length <= 128; length++) expect(userRoom('x'.repeat(length)).length).not.toBe(20)
  })

  it('do not run into each other', () => {
    const ids = ['x'.repeat(14), 'x'.repeat(15), `s:${'x'.repeat(13)}`, `~${'x'.repeat(15)}`, `:${'x'.repeat(15)}`]
    expect(new Set(ids.map(userRoom)).size).toBe(ids.length)
  })

  it('can be read back from their channel', () => {
    const room = conversationRoom('0192')
    expect(roomOf(channelOf(room))).toBe(room)
    expect(conversationIdOf(room)).toBe('0192')
  })
})
