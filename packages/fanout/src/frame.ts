import type { ArrivalRooms } from './arrivals.ts'
import { cutPackets, type Packet } from './packet.ts'

/**
 * The unit of communication between processes, besides the adapter's own packets:
 *
 *     ~origin|seq|control\n<packet><packet>…
 *
 * The packets after the newline (packet.ts) are encoded once by the publisher and written to sockets as they are everywhere
 * else. There may be none: then the frame only controls gateways.
 */
export interface Frame {
  /** The epoch id of the process that published it. */
  origin: string
  /** Seq of the first packet in its conversation; the others follow it. 0 for a frame outside the order. */
  seq: number
  /** Applied before the packets are delivered. */
  control: Control | null
  packets: readonly Packet[]
}

export interface JoinRequest {
  userId: string
  conversationId: string
  /** The conversation's last seq when the user was added. */
  lastSeq: number
}

/** Instructions that gateways apply when the frame arrives, before its packets are delivered. */
export interface Control {
  /** On a user's channel: their sockets join this conversation. */
  join?: JoinRequest
  /**
   * On a user's channel: their sockets leave this conversation, as announced by its message `seq` (omitted by older
   * versions).
   */
  leave?: { userId: string; conversationId: string; seq?: number }
  /** On a conversation's channel: the sockets of these users leave it. */
  leaving?: string[]
  /** On the channel of all gateways: the users to whose sockets the packet goes. */
  people?: string[]
  /** On the channel of all gateways: an arrival for each packet. */
  arrivals?: ArrivalRooms[]
  /** The trace of the frame's single packet. */
  trace?: string
}

const TILDE = 0x7e
const NEWLINE = 0x0a
const BAR = 0x7c

/** Encodes a frame for Redis; see {@link decodeFrame}. */
export function encodeFrame({ origin, seq, control, packets }: Frame): Buffer {
  const head = Buffer.from(`~${origin}|${seq}|${control === null ? '' : JSON.stringify(control)}\n`)
  return Buffer.concat([head, ...packets])
}

/** Whether a payload is a frame; the adapter's packets begin with `{` or a msgpack map. */
export function isFrame(raw: Buffer): boolean {
  return raw[0] === TILDE
}

/** Whether a payload is a frame published by `origin`, without decoding it. */
export function isFrameOf(raw: Buffer, origin: string): boolean {
  return (
    raw.length > origin.length + 1 &&
    raw[origin.length + 1] === BAR &&
    raw.toString('latin1', 1, origin.length + 1) === origin
  )
}

/** Decodes a frame; undefined if it is incomplete or malformed. The packets are views of `raw`. */
export function decodeFrame(raw: Buffer): Frame | undefined {
  const newline = raw.indexOf(NEWLINE)
  if (!isFrame(raw) || newline === -1) return undefined
  // The control is last because it may contain any character.
  const [origin, seq, ...control] = raw.toString('utf8', 1, newline).split('|')
  const packets = cutPackets(raw.subarray(newline + 1))
  if (origin === undefined || control.length === 0 || !Number.isSafeInteger(Number(seq))) return undefined
  if (packets === undefined) return undefined
  try {
    return { origin, seq: Number(seq), control: parseControl(control.join('|')), packets }
  } catch {
    return undefined
  }
}

function parseControl(text: string): Control | null {
  return text === '' ? null : (JSON.parse(text) as Control)
}
