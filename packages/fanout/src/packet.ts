import type { ServerEventName, ServerEvents } from '@parley/protocol'

/**
 * A Socket.IO packet as it is written to a WebSocket: one text frame, unmasked as all frames from servers (RFC 6455, section
 * 5.2), around Engine.IO's `4` (message) and Socket.IO's text. It is encoded once, published, and written as it is to any number
 * of sockets, several packets in one write.
 */
export type Packet = Buffer

/** First byte of a frame: FIN and the opcode for text. */
const TEXT_FRAME = 0x81
/** Values of the second byte: the length is in the next two, or eight, bytes. */
const LENGTH_16 = 126
const LENGTH_64 = 127

const EVENT_MESSAGE = '42["newMessage",'

/**
 * Encodes a packet. Writes its parts one by one, because concatenating them first would copy the JSON once more.
 * @param prefix ASCII text before the JSON
 * @param end ASCII text after the JSON
 */
export function encodePacket(prefix: string, json: string, end = ''): Packet {
  const packet = openPacket(prefix.length + Buffer.byteLength(json) + end.length)
  let at = headOf(packet)
  at += packet.write(prefix, at, 'latin1')
  at += packet.write(json, at)
  packet.write(end, at, 'latin1')
  return packet
}

/** Allocates a packet and writes its header; the text is still to be written. */
function openPacket(length: number): Packet {
  const head = length < LENGTH_16 ? 2 : length < 0x1_00_00 ? 4 : 10
  const packet = Buffer.allocUnsafe(head + length)
  packet[0] = TEXT_FRAME
  packet[1] = head === 2 ? length : head === 4 ? LENGTH_16 : LENGTH_64
  if (head === 4) packet.writeUInt16BE(length, 2)
  if (head === 10) packet.writeBigUInt64BE(BigInt(length), 2)
  return packet
}

/** Length of the header, in bytes. */
function headOf(packet: Packet): number {
  const length = packet[1] ?? 0
  return length < LENGTH_16 ? 2 : length === LENGTH_16 ? 4 : 10
}

/** Returns a packet's Engine.IO message without its `4`, for polling transports: `2["event",payload]`. */
export function messageIn(packet: Packet): string {
  return packet.toString('utf8', headOf(packet) + 1)
}

/** Encodes an event. */
export function encodeEvent<Name extends ServerEventName>(event: Name, payload: ServerEvents[Name]): Packet {
  return encodePacket(`42["${event}",`, JSON.stringify(payload), ']')
}

/** Packets of the messages of this turn of the event loop. Their acks, microseconds later, contain the same JSON. */
let encoded = new Map<unknown, Packet>()

function forget(): void {
  encoded = new Map()
}

/** Encodes `newMessage`. The message must not be modified afterwards. */
export function encodeMessage(message: ServerEvents['newMessage']): Packet {
  const packet = encodeEvent('newMessage', message)
  if (encoded.size === 0) setImmediate(forget)
  encoded.set(message, packet)
  return packet
}

const SUCCESS = Buffer.from('[{"success":true,"data":')
const END = Buffer.from('}]')

/**
 * Encodes the ack `{success: true, data}` to the event with this id. A message that was just published is not serialised
 * again: its JSON is copied from that packet.
 */
export function encodeSuccess(id: number, data: unknown): Packet {
  const known = encoded.get(data)
  if (known === undefined) return encodeAnswer(id, { success: true, data })
  const json = known.subarray(headOf(known) + EVENT_MESSAGE.length, -1)
  const prefix = `43${id}`
  const packet = openPacket(prefix.length + SUCCESS.length + json.length + END.length)
  let at = headOf(packet)
  at += packet.write(prefix, at, 'latin1')
  at += SUCCESS.copy(packet, at)
  at += json.copy(packet, at)
  END.copy(packet, at)
  return packet
}

/** Encodes an ack to the event with this id. */
export function encodeAnswer(id: number, answer: unknown): Packet {
  return encodePacket(`43${id}[`, JSON.stringify(answer), ']')
}

/** Splits consecutive packets, as views of `raw`; undefined if there is anything else. */
export function cutPackets(raw: Buffer): Packet[] | undefined {
  const packets: Packet[] = []
  for (let from = 0; from < raw.length; ) {
    const to = endOf(raw, from)
    if (to === undefined || to > raw.length) return undefined
    packets.push(raw.subarray(from, to))
    from = to
  }
  return packets
}

function endOf(raw: Buffer, from: number): number | undefined {
  if (raw[from] !== TEXT_FRAME || from + 1 >= raw.length) return undefined
  const length = raw[from + 1] ?? 0
  if (length < LENGTH_16) return from + 2 + length
  if (length === LENGTH_16) return from + 4 > raw.length ? undefined : from + 4 + raw.readUInt16BE(from + 2)
  return from + 10 > raw.length ? undefined : from + 10 + Number(raw.readBigUInt64BE(from + 2))
}

/** Joins packets into one buffer: a view if they are adjacent in one buffer already, otherwise a copy. */
export function joinPackets(packets: readonly Packet[]): Buffer {
  const [first] = packets
  if (first === undefined) return Buffer.alloc(0)
  let end = first.byteOffset
  for (const packet of packets) {
    if (packet.buffer !== first.buffer || packet.byteOffset !== end) return Buffer.concat(packets)
    end += packet.length
  }
  return Buffer.from(first.buffer, first.byteOffset, end - first.byteOffset)
}
