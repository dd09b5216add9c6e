import type { Writable } from 'node:stream'
import type { Message } from '@parley/protocol'
import { describe, expect, it } from 'vitest'
import * as ws from 'ws'
import {
  cutPackets,
  encodeAnswer,
  encodeEvent,
  encodeMessage,
  encodePacket,
  encodeSuccess,
  joinPackets,
  messageIn,
} from '../src/packet.ts'

/** `Receiver` is the frame parser of ws, which its types omit. */
const { Receiver } = ws as unknown as {
  Receiver: new (options: { isServer: boolean; skipUTF8Validation: boolean }) => Writable
}

const message = { id: 'm', content: 'ünïcode "quoted" 👋 [newMessage,', seq: 1 } as Message

/** Returns the messages that a WebSocket client reads from these bytes. */
function textsIn(bytes: Buffer): string[] {
  const receiver = new Receiver({ isServer: false, skipUTF8Validation: false })
  const texts: string[] = []
  receiver.on('message', (data: Buffer) => texts.push(data.toString()))
  receiver.on('error', (error: Error) => {
    throw error
  })
  receiver.write(bytes)
  return texts
}

describe('packets', () => {
  it.each([0, 1, 124, 125, 126, 127, 65_535, 65_536, 100_000])('of %i bytes are WebSocket frames', (length) => {
    const text = 'x'.repeat(length)
    expect(textsIn(encodePacket('', text))).toEqual([text])
  })

  it('state their length in bytes, not characters', () => {
    for (const text of ['ü'.repeat(63), '👋'.repeat(40), 'ü'.repeat(40_000)]) {
      expect(textsIn(encodePacket('', text))).toEqual([text])
    }
  })

  it('have the same content for polling', () => {
    for (const length of [10, 1_000, 100_000]) {
      const packet = encodePacket('', `42["${'ü'.repeat(length)}"]`)
      expect(messageIn(packet)).toBe(`2["${'ü'.repeat(length)}"]`)
    }
  })

  it('are events in Socket.IO’s encoding', () => {
    expect(textsIn(encodeEvent('onlineUsers', ['a|b\nc', 'ü']))).toEqual(['42["onlineUsers",["a|b\\nc","ü"]]'])
    expect(textsIn(encodeMessage(message))).toEqual([`42${JSON.stringify(['newMessage', message])}`])
  })

  it('are acks in Socket.IO’s encoding, also for a message that was just published', () => {
    const answer = { success: true, data: message }
    const fresh = { ...message }
    expect(textsIn(encodeSuccess(7, fresh))).toEqual([`437${JSON.stringify([answer])}`])
    encodeMessage(message)
    for (const id of [0, 7, 123_456]) {
      expect(textsIn(encodeSuccess(id, message))).toEqual([`43${id}${JSON.stringify([answer])}`])
    }
    const long = { ...message, content: 'ü'.repeat(8_000) }
    encodeMessage(long)
    expect(textsIn(encodeSuccess(1, long))).toEqual([`431${JSON.stringify([{ success: true, data: long }])}`])
    expect(textsIn(encodeSuccess(2, undefined))).toEqual(['432[{"success":true}]'])
    expect(textsIn(encodeAnswer(3, { success: false }))).toEqual(['433[{"success":false}]'])
  })

  it('are joined without a copy if they were cut from one buffer', () => {
    const packets = [
      encodePacket('', '42["a"]'),
      encodePacket('', `42["${'b'.repeat(300)}"]`),
      encodePacket('', '42["c"]'),
    ]
    const block = Buffer.concat(packets)
    const cut = cutPackets(block) ?? []
    expect(cut).toEqual(packets)
    const joined = joinPackets(cut)
    expect(joined).toEqual(block)
    block[2] = 0x35
    expect(joined[2]).toBe(0x35)
    expect(joinPackets([...cut].reverse())).toEqual(Buffer.concat([...cut].reverse()))
    expect(joinPackets(cut.slice(1))).toEqual(block.subarray(cut[0]?.length))
    expect(joinPackets([])).toEqual(Buffer.alloc(0))
  })
})
