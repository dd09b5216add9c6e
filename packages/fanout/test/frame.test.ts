import { describe, expect, it } from 'vitest'
import { decodeFrame, encodeFrame, isFrame, isFrameOf } from '../src/frame.ts'
import { encodeEvent, encodePacket } from '../src/packet.ts'
import { channelOf, conversationIdOf, conversationRoom, roomOf, userRoom } from '../src/rooms.ts'

const packet = encodeEvent('onlineUsers', ['a|b\nc', 'ü'])
const long = encodePacket('', `42["${'x'.repeat(500)}"]`)

describe('frames', () => {
  it.each([
    { origin: 'epoch', seq: 0, control: null, packets: [packet] },
    { origin: 'epoch', seq: 7, control: null, packets: [packet, encodeEvent('onlineUsers', []), long] },
    { origin: 'epoch', seq: 0, control: { arrivals: [{ userId: 'a|b\nc', rooms: ['conv:x'] }] }, packets: [packet] },
    { origin: 'epoch', seq: 12, control: { leaving: ['a|b\nc', '~'] }, packets: [packet] },
    {
      origin: 'e',
      seq: 0,
      control: { join: { userId: 'u', conversationId: 'c', lastSeq: 3 } },
      packets: [],
    },
  ])('are decoded as they were encoded', (frame) => {
    const raw = encodeFrame(frame)
    expect(isFrame(raw)).toBe(true)
    expect(decodeFrame(raw)).toEqual(frame)
  })

  it('are distinguished from the packets of the adapter', () => {
    expect(isFrame(Buffer.from('{"uid":"x"}'))).toBe(false)
    expect(isFrame(Buffer.from([0x83, 0xa3]))).toBe(false)
    expect(isFrame(Buffer.alloc(0))).toBe(false)
  })

  it.each(['~', '~a', '~a|1', '~a|1\n', '~a|x|\n', '~a|1|{\n', '{}'])('that are malformed are refused: %j', (raw) => {
    expect(decodeFrame(Buffer.from(raw))).toBeUndefined()
  })

  it('with incomplete packets are refused', () => {
    const raw = encodeFrame({ origin: 'a', seq: 1, control: null, packets: [packet] })
    expect(decodeFrame(raw)?.packets).toEqual([packet])
    for (let length = raw.length - packet.length + 1; length < raw.length; length++) {
      expect(decodeFrame(raw.subarray(0, length))).toBeUndefined()
    }
    expect(decodeFrame(Buffer.concat([raw, Buffer.from('42[]')]))).toBeUndefined()
  })

  it('are recognised by their origin without decoding', () => {
    const raw = encodeFrame({ origin: 'epoch', seq: 1, control: null, packets: [packet] })
    expect(isFrameOf(raw, 'epoch')).toBe(true)
    for (const other of ['epoc', 'epoch1', 'fpoch', '']) expect(isFrameOf(raw, other)).toBe(false)
    expect(isFrameOf(Buffer.from('{"uid":"x"}'), 'uid')).toBe(false)
  })
})

describe('rooms', () => {
  it('never have 20 characters, which the adapter would take for a socket id', () => {
    for (let length = 1; length <= 128; length++) expect(userRoom('x'.repeat(length)).length).not.toBe(20)
  })

  it('do not collide', () => {
    const ids = ['x'.repeat(14), 'x'.repeat(15), `s:${'x'.repeat(13)}`, `~${'x'.repeat(15)}`, `:${'x'.repeat(15)}`]
    expect(new Set(ids.map(userRoom)).size).toBe(ids.length)
  })

  it('can be read back from their channel', () => {
    const room = conversationRoom('0192')
    expect(roomOf(channelOf(room))).toBe(room)
    expect(conversationIdOf(room)).toBe('0192')
  })
})
