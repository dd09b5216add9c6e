import type { ServerEventName, ServerEvents } from '@parley/protocol'

/**
 * A Socket.IO packet as it is written to a WebSocket: a text frame of its own, unmasked as a server's are (RFC 6455,
 * section 5.2), around Engine.IO's `4` (message) and Socket.IO's text. Made once, it is published and written to any number
 * of sockets as it stands, several in one piece.
 */
export type Packet = Buffer

/** The first byte of each: FIN, and the opcode of text. */
const TEXT_FRAME = 0x81
/** In the second byte: the length is in the next two, or eight. */
const LENGTH_16 = 126
const LENGTH_64 = 127

const EVENT_MESSAGE = '42["newMessage",'

/**
 * Written piece by piece: joined first, the JSON of every message would be copied once more.
 * @param prefix what comes before the JSON, in ASCII
 * @param end what comes behind it, in ASCII
 */
export function encodePacket(prefix: string, json: string, end = ''): Packet {
  const packet = openPacket(prefix.length + Buffer.byteLength(json) + end.length)
  let at = headOf(packet)
  at += packet.write(prefix, at, 'latin1')
  at += packet.write(json, at)
  packet.write(end, at, 'latin1')
  return packet
}

/** A packet whose text is still to be written, behind its head. */
function openPacket(length: number): Packet {
  const head = length < LENGTH_16 ? 2 : length < 0x1_00_00 ? 4 : 10
  const packet = Buffer.allocUnsafe(head + length)
  packet[0] = TEXT_FRAME
  packet[1] = head === 2 ? length : head === 4 ? LENGTH_16 : LENGTH_64
  if (head === 4) packet.writeUInt16BE(length, 2)
  if (head === 10) packet.writeBigUInt64BE(BigInt(length), 2)
  return packet
}

/** Bytes before the text. */
function headOf(packet: Packet): number {
  const length = packet[1] ?? 0
  return length < LENGTH_16 ? 2 : length === LENGTH_16 ? 4 : 10
}

/** The Engine.IO message in a packet without its `4`, for those who poll: `2["event",payload]`. */
export function messageIn(packet: Packet): string {
  return packet.toString('utf8', headOf(packet) + 1)
}

/** An event as the packet that a client gets. */
export function encodeEvent<Name extends ServerEventName>(event: Name, payload: ServerEvents[Name]): Packet {
  return encodePacket(`42["${event}",`, JSON.stringify(payload), ']')
}

/** Packets of the messages of this turn of the loop. Their acks, some microseconds later, hold the same JSON. */
let encoded = new Map<unknown, Packet>()

function forget(): void {
  encoded = new Map()
}

/** `newMessage`. The message must not be changed any more. */
export function encodeMessage(message: ServerEvents['newMessage']): Packet {
  const packet = encodeEvent('newMessage', message)
  if (encoded.size === 0) setImmediate(forget)
  encoded.set(message, packet)
  return packet
}

const SUCCESS = Buffer.from('[{"success":true,"data":')
const END = Buffer.from('}]')

/**
 * The answer to the event with this id: `{success: true, data}`. A message that was just published is not turned into JSON
 * a second time: the ack takes it from that packet.
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

/** The answer to the event with this id. */
export function encodeAnswer(id: number, answer: unknown): Packet {
  return encodePacket(`43${id}[`, JSON.stringify(answer), ']')
}

/** Packets that follow each other; undefined where there is anything else. They are views of `raw`. */
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

/** Packets in one piece. Those that were cut from one are a view of it; others are copied. */
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
